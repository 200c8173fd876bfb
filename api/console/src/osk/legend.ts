/** What stands on a key, by the keymap (docs/typing.md) and by the modifiers that are down. Pure. */

import { keyLabel } from "../hid/chord";

export type Legends = Readonly<Record<string, readonly string[]>>;

/** How dead keys are shown, by their XKB names; the rest of them by the name's own word. */
const DEAD: Readonly<Record<string, string>> = {
  dead_acute: "´",
  dead_grave: "`",
  dead_circumflex: "^",
  dead_tilde: "~",
  dead_diaeresis: "¨",
  dead_cedilla: "¸",
  dead_caron: "ˇ",
  dead_abovering: "°",
  dead_ogonek: "˛",
  dead_macron: "¯",
  dead_breve: "˘",
  dead_doubleacute: "˝",
  dead_abovedot: "˙",
};

const FIXED: Readonly<Record<string, string>> = {
  Space: "",
  Enter: "⏎",
  Backspace: "⌫",
  Tab: "⇥",
  CapsLock: "⇪",
  ShiftLeft: "⇧",
  ShiftRight: "⇧",
  ArrowUp: "↑",
  ArrowDown: "↓",
  ArrowLeft: "←",
  ArrowRight: "→",
  AudioVolumeMute: "Mute",
  AudioVolumeDown: "Vol−",
  AudioVolumeUp: "Vol+",
  NumpadEnter: "Num ⏎",
  NumpadDivide: "Num /",
  NumpadMultiply: "Num *",
  NumpadSubtract: "Num -",
  NumpadAdd: "Num +",
  NumpadDecimal: "Num .",
};

function shown(symbol: string): string {
  return symbol.startsWith("dead_") ? (DEAD[symbol] ?? symbol.slice("dead_".length)) : symbol;
}

export interface Levels {
  readonly shift: boolean;
  readonly altgr: boolean;
  readonly caps: boolean;
}

/** What a key types now. */
export function legendOf(name: string, legends: Legends, { shift, altgr, caps }: Levels): string {
  const symbols = legends[name];
  const fixed = FIXED[name];
  if (fixed !== undefined) {
    return fixed;
  }
  if (symbols === undefined) {
    return keyLabel(name);
  }
  const letter = symbols[0] ?? "";
  // Caps Lock turns letters alone.
  const isLetter = letter.toLowerCase() !== letter.toUpperCase();
  const up = isLetter && caps ? !shift : shift;
  return shown(symbols[(altgr ? 2 : 0) + (up ? 1 : 0)] ?? "");
}
