/**
 * What the page knows of the appliance: one signal for each kind of event, written only by `apply`.
 * After a reconnect the old values stay visible until the new full states replace them.
 */

import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { mergeEvent } from "./merge";
import type { States } from "./types";

const NAMES = [
  "atx",
  "hid",
  "hid_keymaps",
  "streamer",
  "clients",
  "info",
  "gpio",
  "msd",
  "switch",
  "ocr",
  "update",
] as const satisfies readonly (keyof States)[];

type Signals = { readonly [Name in keyof States]: Signal<States[Name] | null> };
type ReadonlySignals = { readonly [Name in keyof States]: ReadonlySignal<States[Name] | null> };

function isKnown(type: string): type is keyof States {
  return (NAMES as readonly string[]).includes(type);
}

export class Appliance {
  readonly #signals = Object.fromEntries(NAMES.map((name) => [name, signal(null)])) as unknown as Signals;
  /** Kinds whose value is from this connection, so that a partial event may be merged into it. */
  readonly #fresh = new Set<keyof States>();

  get states(): ReadonlySignals {
    return this.#signals;
  }

  /** A new connection: partial events wait for the next full state. */
  restart(): void {
    this.#fresh.clear();
  }

  /** Take one event of the control socket; kinds that the page does not show are ignored. */
  apply(type: string, event: Record<string, unknown>): void {
    if (!isKnown(type)) {
      return;
    }
    // The event's shape is the contract's word; nothing here can be stricter than the server.
    const state = this.#signals[type] as Signal<unknown>;
    const before = this.#fresh.has(type) ? (state.peek() as Record<string, unknown>) : null;
    const after = mergeEvent(type, before, event);
    if (after !== null) {
      this.#fresh.add(type);
      state.value = after;
    }
  }
}
