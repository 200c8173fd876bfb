/**
 * Keys that are pressed on the screen: which fingers hold which, and modifiers that stay down by themselves. A
 * modifier is down on the target as soon as it is tapped, so that what it does there (a menu, say) is seen.
 * Pure.
 */

import { type ReadonlySignal, signal } from "@preact/signals";
import { MODIFIER_KEYS } from "../hid/keys";

/** Off, down for the next key, or down until tapped again. */
export type Stickiness = "off" | "once" | "locked";

export class OnScreenKeys {
  readonly #send: (name: string, pressed: boolean) => void;
  /** Keys under fingers (or the mouse), by the pointer. */
  readonly #fingers = new Map<number, string>();
  readonly #sticky = signal<ReadonlyMap<string, Stickiness>>(new Map());

  constructor(send: (name: string, pressed: boolean) => void) {
    this.#send = send;
  }

  /** Modifiers that are down by themselves. */
  get sticky(): ReadonlySignal<ReadonlyMap<string, Stickiness>> {
    return this.#sticky;
  }

  stickiness(name: string): Stickiness {
    return this.#sticky.value.get(name) ?? "off";
  }

  /** A finger comes down on a key. */
  down(pointer: number, name: string): void {
    if (MODIFIER_KEYS.has(name)) {
      this.#tap(name);
      return;
    }
    // A finger is on one key at a time, whatever was lost.
    this.up(pointer);
    // Two fingers on one key are one press.
    if (![...this.#fingers.values()].includes(name)) {
      this.#send(name, true);
    }
    this.#fingers.set(pointer, name);
  }

  /** A finger is gone, wherever it went. */
  up(pointer: number): void {
    const name = this.#fingers.get(pointer);
    if (name === undefined) {
      return;
    }
    this.#fingers.delete(pointer);
    if ([...this.#fingers.values()].includes(name)) {
      return;
    }
    this.#send(name, false);
    if (this.#fingers.size === 0) {
      this.#releaseWhere((stickiness) => stickiness === "once");
    }
  }

  /** Press and release, as a keyboard's user activates a button. */
  click(name: string): void {
    const pointer = -1;
    this.down(pointer, name);
    this.up(pointer);
  }

  releaseAll(): void {
    const names = new Set(this.#fingers.values());
    this.#fingers.clear();
    for (const name of names) {
      this.#send(name, false);
    }
    this.#releaseWhere(() => true);
  }

  /** The appliance has released everything by itself (the socket closed). */
  forget(): void {
    this.#fingers.clear();
    this.#sticky.value = new Map();
  }

  #tap(name: string): void {
    const now = this.#sticky.peek().get(name) ?? "off";
    const next: Stickiness = now === "off" ? "once" : now === "once" ? "locked" : "off";
    const sticky = new Map(this.#sticky.peek());
    if (next === "off") {
      sticky.delete(name);
      this.#send(name, false);
    } else {
      sticky.set(name, next);
      if (now === "off") {
        this.#send(name, true);
      }
    }
    this.#sticky.value = sticky;
  }

  #releaseWhere(wanted: (stickiness: Stickiness) => boolean): void {
    const sticky = new Map(this.#sticky.peek());
    for (const [name, stickiness] of sticky) {
      if (wanted(stickiness)) {
        sticky.delete(name);
        this.#send(name, false);
      }
    }
    this.#sticky.value = sticky;
  }
}
