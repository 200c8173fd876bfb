import { expect, it } from "vitest";
import { keyName, MODIFIER_KEYS } from "./keys";

/** All 126 names of the contract (vectors.json, `keys.table`), in its order. */
const CONTRACT = `
  KeyA KeyB KeyC KeyD KeyE KeyF KeyG KeyH KeyI KeyJ KeyK KeyL KeyM KeyN KeyO KeyP KeyQ KeyR KeyS KeyT KeyU KeyV
  KeyW KeyX KeyY KeyZ Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Enter Escape Backspace
  Tab Space Minus Equal BracketLeft BracketRight Backslash Semicolon Quote Backquote Comma Period Slash CapsLock F1
  F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12 PrintScreen Insert Home PageUp Delete End PageDown ArrowRight ArrowLeft
  ArrowDown ArrowUp ControlLeft ShiftLeft AltLeft MetaLeft ControlRight ShiftRight AltRight MetaRight Pause
  ScrollLock NumLock ContextMenu NumpadDivide NumpadMultiply NumpadSubtract NumpadAdd NumpadEnter Numpad1 Numpad2
  Numpad3 Numpad4 Numpad5 Numpad6 Numpad7 Numpad8 Numpad9 Numpad0 NumpadDecimal Power IntlBackslash IntlYen IntlRo
  KanaMode Convert NonConvert AudioVolumeMute AudioVolumeUp AudioVolumeDown F20 F21 F22 F23 F24 F13 F14 F15 F16 F17
  F18 F19`
  .trim()
  .split(/\s+/);

it("knows every key of the contract", () => {
  expect(CONTRACT).toHaveLength(126);
  expect(CONTRACT.filter((name) => keyName(name) !== name)).toEqual([]);
  expect(MODIFIER_KEYS.size).toBe(8);
});

it("knows other names of some, and no others", () => {
  expect(keyName("OSLeft")).toBe("MetaLeft");
  expect(["", "Unidentified", "BrowserBack", "keya", "toString"].map(keyName)).toEqual(Array(5).fill(null));
});
