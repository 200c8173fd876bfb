/** Where the keys are: rows of a whole keyboard, and pages of a small one for phones. Pure. */

/** A key and its width in keys; null is a gap of half a key. */
export type Place = readonly [name: string, width: number] | null;

function keys(...names: string[]): Place[] {
  return names.map((name) => [name, 1] as const);
}

function range(prefix: string, letters: string): Place[] {
  return Array.from(letters, (letter) => [`${prefix}${letter}`, 1] as const);
}

const F_KEYS = Array.from({ length: 12 }, (_, index) => [`F${index + 1}`, 1] as const);

/** The main block; what ISO, ANSI and JIS keyboards have beside each other is all there. */
export const MAIN: readonly (readonly Place[])[] = [
  [
    ["Escape", 1],
    null,
    ...F_KEYS.slice(0, 4),
    null,
    ...F_KEYS.slice(4, 8),
    null,
    ...F_KEYS.slice(8),
    ...keys("PrintScreen", "ScrollLock", "Pause"),
  ],
  [
    ...keys("Backquote"),
    ...range("Digit", "1234567890"),
    ...keys("Minus", "Equal", "IntlYen"),
    ["Backspace", 2],
    ...keys("Insert", "Home", "PageUp"),
  ],
  [
    ["Tab", 1.5],
    ...range("Key", "QWERTYUIOP"),
    ...keys("BracketLeft", "BracketRight", "Backslash"),
    ["Enter", 1.5],
    ...keys("Delete", "End", "PageDown"),
  ],
  [
    ["CapsLock", 1.75],
    ...range("Key", "ASDFGHJKL"),
    ...keys("Semicolon", "Quote"),
    ["ContextMenu", 1.25],
    ["NumLock", 1.5],
    null,
    ["ArrowUp", 1],
  ],
  [
    ["ShiftLeft", 1.25],
    ...keys("IntlBackslash"),
    ...range("Key", "ZXCVBNM"),
    ...keys("Comma", "Period", "Slash", "IntlRo"),
    ["ShiftRight", 1.75],
    ...keys("ArrowLeft", "ArrowDown", "ArrowRight"),
  ],
  [
    ["ControlLeft", 1.5],
    ["MetaLeft", 1.25],
    ["AltLeft", 1.25],
    ["Space", 6],
    ["AltRight", 1.25],
    ["MetaRight", 1.25],
    ["ControlRight", 1.5],
  ],
];

/** Beside the main block where there is room. */
export const NUMPAD: readonly (readonly Place[])[] = [
  keys("NumpadDivide", "NumpadMultiply", "NumpadSubtract", "NumpadAdd"),
  [...range("Numpad", "789"), ...keys("AudioVolumeUp")],
  [...range("Numpad", "456"), ...keys("AudioVolumeDown")],
  [...range("Numpad", "123"), ...keys("AudioVolumeMute")],
  [["Numpad0", 2], ...keys("NumpadDecimal", "NumpadEnter")],
];

export type PageName = "letters" | "signs" | "functions";

/** Ten keys a row, large enough for a finger on a narrow phone. */
export const PAGES: Readonly<Record<PageName, readonly (readonly Place[])[]>> = {
  letters: [
    range("Digit", "1234567890"),
    range("Key", "QWERTYUIOP"),
    [...range("Key", "ASDFGHJKL"), ...keys("Semicolon")],
    [["ShiftLeft", 1.5], ...range("Key", "ZXCVBNM"), ["Backspace", 1.5]],
    [
      ["ControlLeft", 1.25],
      ["MetaLeft", 1.25],
      ["AltLeft", 1.25],
      ["Space", 3.5],
      ["AltRight", 1.25],
      ["Enter", 1.5],
    ],
  ],
  signs: [
    keys(
      "Escape",
      "Backquote",
      "Minus",
      "Equal",
      "BracketLeft",
      "BracketRight",
      "Backslash",
      "Quote",
      "IntlBackslash",
      "Delete",
    ),
    keys("Tab", "Comma", "Period", "Slash", "IntlRo", "IntlYen", "Insert", "Home", "ArrowUp", "End"),
    keys(
      "CapsLock",
      "NumLock",
      "ScrollLock",
      "ContextMenu",
      "Pause",
      "PageUp",
      "PageDown",
      "ArrowLeft",
      "ArrowDown",
      "ArrowRight",
    ),
    [
      ["ShiftLeft", 1.5],
      ["ControlLeft", 1.25],
      ["MetaLeft", 1.25],
      ["AltLeft", 1.25],
      ["Space", 2],
      ["AltRight", 1.25],
      ["Enter", 1.5],
    ],
  ],
  functions: [
    [...F_KEYS.slice(0, 6), ...keys("PrintScreen", "AudioVolumeMute", "AudioVolumeDown", "AudioVolumeUp")],
    [...F_KEYS.slice(6), ...keys("NumpadDivide", "NumpadMultiply", "NumpadSubtract", "NumpadAdd")],
    range("Numpad", "1234567890"),
    [
      ["ShiftLeft", 1.5],
      ["ControlLeft", 1.25],
      ["MetaLeft", 1.25],
      ["AltLeft", 1.25],
      ["NumpadDecimal", 1],
      ["NumpadEnter", 1],
      ["AltRight", 1.25],
      ["Enter", 1.5],
    ],
  ],
};
