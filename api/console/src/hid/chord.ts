/** Keys pressed together: their names for people, and what the list of shortcuts holds. Pure. */

const SHORT: Readonly<Record<string, string>> = {
  ControlLeft: "Ctrl",
  ControlRight: "Right Ctrl",
  AltLeft: "Alt",
  AltRight: "AltGr",
  ShiftLeft: "Shift",
  ShiftRight: "Right Shift",
  MetaLeft: "Super",
  MetaRight: "Right Super",
  PrintScreen: "PrtSc",
  Delete: "Del",
  Escape: "Esc",
  Backspace: "Backspace",
  ContextMenu: "Menu",
  PageUp: "PgUp",
  PageDown: "PgDn",
  ScrollLock: "ScrLk",
  NumLock: "NumLk",
  IntlYen: "¥",
  IntlRo: "Ro",
};

/** A key's name as it stands on keys. */
export function keyLabel(code: string): string {
  return SHORT[code] ?? code.replace(/^(Key|Digit|Arrow)/, "").replace(/^Numpad/, "Num ");
}

export function chordLabel(keys: readonly string[]): string {
  return keys.map(keyLabel).join("+");
}

/** A chord as it is captured: keys that were down together, until all are up. */
export class ChordCapture {
  readonly #down = new Set<string>();
  #keys: string[] = [];

  /** Returns the chord so far. */
  press(name: string): readonly string[] {
    if (this.#down.size === 0) {
      this.#keys = [];
    }
    if (!this.#down.has(name)) {
      this.#down.add(name);
      this.#keys = [...this.#keys, name];
    }
    return this.#keys;
  }

  release(name: string): void {
    this.#down.delete(name);
  }

  /** The page lost the keyboard: what is down is not known any more. */
  clear(): void {
    this.#down.clear();
  }
}
