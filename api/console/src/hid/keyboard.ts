/**
 * Which keys are held, and what to send when a key event arrives. No key may stay down on the target that is
 * up under the user's finger: browsers lose key-up events in a few ways, each of which has its rule here.
 * Pure: the DOM is in keyboard_dom.ts.
 */

import { keyName, MODIFIER_KEYS } from "./keys";

/** Takes key events to the target. */
export type KeySink = (name: string, pressed: boolean) => void;

/** What the browser says about the modifiers at any event. */
export interface ModifierState {
  readonly Control: boolean;
  readonly Shift: boolean;
  readonly Alt: boolean;
  readonly Meta: boolean;
}

export interface KeyInput {
  readonly code: string;
  readonly repeat: boolean;
  readonly modifiers: ModifierState;
  /** Whether the key is AltGr, which Windows tells as a left Ctrl and a right Alt. */
  readonly altGraph?: boolean;
}

export interface KeyboardOptions {
  readonly mac: boolean;
  readonly windows: boolean;
  /** Someone pressed the chord that gives the keyboard back to the page. */
  readonly onLeave: () => void;
  /** Call it back soon: not before the event that may come with this one, and before a person notices. */
  readonly soon: (task: () => void) => void;
}

/** The chord that gives the keyboard back to the page: these two alone, pressed and released. */
const LEAVE_CHORD: ReadonlySet<string> = new Set(["ControlLeft", "AltLeft"]);

function modifierOf(name: string): keyof ModifierState {
  return name.replace(/Left|Right/, "") as keyof ModifierState;
}

export class Keyboard {
  readonly #send: KeySink;
  readonly #options: KeyboardOptions;
  readonly #held = new Set<string>();
  /** Held modifiers that the browser has confirmed; remapped ones (Ctrl and Alt swapped) never are. */
  readonly #confirmed = new Set<string>();
  /** Every key pressed since all keys were up. */
  readonly #chord = new Set<string>();
  /**
   * A left Ctrl on Windows, kept back until it is known whether it is one: the system says so before each
   * AltGr, too, and a target that was told would take AltGr for Ctrl+AltGr.
   */
  #keptBack = false;

  constructor(send: KeySink, options: KeyboardOptions) {
    this.#send = send;
    this.#options = options;
  }

  get held(): ReadonlySet<string> {
    return this.#held;
  }

  /** A key goes down. Returns whether the event belongs to the target and not to the browser. */
  down(input: KeyInput): boolean {
    const name = keyName(input.code);
    if (name === null) {
      return false;
    }
    if (input.altGraph === true) {
      this.#keptBack = false;
    }
    this.observe(input.modifiers, name);
    if (input.repeat) {
      // The target repeats by itself. A repeat of a key that is not held here was released for a reason.
      return true;
    }
    if (this.#held.size === 0) {
      this.#chord.clear();
    }
    if (this.#options.windows && name === "ControlLeft" && !this.#held.has(name)) {
      this.#keptBack = true;
      this.#options.soon(() => this.#tellKeptBack());
      return true;
    }
    if (this.#options.mac && (name === "CapsLock" || (input.modifiers.Meta && !MODIFIER_KEYS.has(name)))) {
      // macOS never tells about the release of a key while Cmd is down, and Caps Lock comes as one event.
      this.#chord.add(name);
      this.#click(name);
      return true;
    }
    this.#press(name);
    return true;
  }

  /** A key goes up. */
  up(input: KeyInput): boolean {
    const name = keyName(input.code);
    if (name === null) {
      return false;
    }
    this.observe(input.modifiers, name);
    if (this.#held.has(name)) {
      this.#release(name);
      if (this.#options.mac && modifierOf(name) === "Meta") {
        // Keys that were down before Cmd, and went up during it, without an event.
        this.#releaseWhere((key) => !MODIFIER_KEYS.has(key));
      }
    } else if (name === "PrintScreen" || (this.#options.mac && name === "CapsLock")) {
      // Windows shows browsers only the release of Print Screen, macOS that of Caps Lock when it goes off.
      this.#click(name);
    }
    this.#endChord();
    return true;
  }

  /**
   * Any event of the page that knows the modifiers: a held one that was confirmed and is now up has lost its
   * key-up event. `current` is the key of the event itself, which speaks for itself.
   */
  observe(modifiers: ModifierState, current: string | null = null): void {
    this.#tellKeptBack();
    for (const name of [...this.#held]) {
      if (name === current || !MODIFIER_KEYS.has(name)) {
        continue;
      }
      if (modifiers[modifierOf(name)]) {
        this.#confirmed.add(name);
      } else if (this.#confirmed.has(name)) {
        this.#release(name);
      }
    }
  }

  /** The page loses the keyboard: let everything go. */
  releaseAll(): void {
    this.#keptBack = false;
    this.#releaseWhere(() => true);
    this.#chord.clear();
  }

  /** The appliance has released everything by itself (the socket closed). */
  forget(): void {
    this.#keptBack = false;
    this.#held.clear();
    this.#confirmed.clear();
    this.#chord.clear();
  }

  #press(name: string): void {
    this.#held.add(name);
    this.#chord.add(name);
    this.#send(name, true);
  }

  #tellKeptBack(): void {
    if (this.#keptBack) {
      this.#keptBack = false;
      this.#press("ControlLeft");
    }
  }

  /** Press and release, for a key whose release the browser will not tell. */
  #click(name: string): void {
    // Not the protocol's "finish" flag: it leaves Print Screen and modifiers down (subsystems.md 2.1).
    this.#send(name, true);
    this.#release(name);
  }

  #releaseWhere(wanted: (name: string) => boolean): void {
    for (const name of [...this.#held].filter(wanted)) {
      this.#release(name);
    }
  }

  #release(name: string): void {
    this.#held.delete(name);
    this.#confirmed.delete(name);
    this.#send(name, false);
  }

  #endChord(): void {
    if (this.#held.size > 0) {
      return;
    }
    const leaving =
      this.#chord.size === LEAVE_CHORD.size && [...LEAVE_CHORD].every((key) => this.#chord.has(key));
    this.#chord.clear();
    if (leaving) {
      this.#options.onLeave();
    }
  }
}
