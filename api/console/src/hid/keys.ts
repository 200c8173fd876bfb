/** The keys that the appliance can press, by their `KeyboardEvent.code` (contract vectors.json, `keys`). */

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

export const MODIFIER_KEYS: ReadonlySet<string> = new Set(
  ["Control", "Shift", "Alt", "Meta"].flatMap((name) => [`${name}Left`, `${name}Right`]),
);

const KEYS: ReadonlySet<string> = new Set([
  ...MODIFIER_KEYS,
  ...Array.from(LETTERS, (letter) => `Key${letter}`),
  ...Array.from("1234567890", (digit) => `Digit${digit}`),
  ...Array.from("1234567890", (digit) => `Numpad${digit}`),
  ...Array.from({ length: 24 }, (_, index) => `F${index + 1}`),
  ...["Enter", "Escape", "Backspace", "Tab", "Space", "Minus", "Equal", "BracketLeft", "BracketRight"],
  ...["Backslash", "Semicolon", "Quote", "Backquote", "Comma", "Period", "Slash"],
  ...["CapsLock", "NumLock", "ScrollLock", "PrintScreen", "Pause", "ContextMenu", "Power"],
  ...["Insert", "Home", "PageUp", "Delete", "End", "PageDown"],
  ...["ArrowRight", "ArrowLeft", "ArrowDown", "ArrowUp"],
  ...["NumpadDivide", "NumpadMultiply", "NumpadSubtract", "NumpadAdd", "NumpadEnter", "NumpadDecimal"],
  ...["IntlBackslash", "IntlYen", "IntlRo", "KanaMode", "Convert", "NonConvert"],
  ...["AudioVolumeMute", "AudioVolumeUp", "AudioVolumeDown"],
]);

/** Names that some browsers use instead of the standard's. */
const ALIASES: Readonly<Record<string, string>> = {
  OSLeft: "MetaLeft",
  OSRight: "MetaRight",
  VolumeMute: "AudioVolumeMute",
  VolumeUp: "AudioVolumeUp",
  VolumeDown: "AudioVolumeDown",
};

/** The appliance's name of a key, or null if it has no such key. */
export function keyName(code: string): string | null {
  const name = ALIASES[code] ?? code;
  return KEYS.has(name) ? name : null;
}
