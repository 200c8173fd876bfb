/**
 * The one way from this page to the target's keyboard and mouse: whoever types or points, a person or a macro,
 * does it here. Others may watch.
 */

import type { Bytes } from "../net/wire";
import { encodeButton, encodeKey, encodeMove, encodeRelative, encodeWheel } from "../net/wire";
import type { Step } from "./step";

function encode(step: Step): Bytes {
  switch (step.kind) {
    case "key":
      return encodeKey(step.name, step.pressed);
    case "button":
      return encodeButton(step.name, step.pressed);
    case "move":
      return encodeMove(step.x, step.y);
    case "relative":
      return encodeRelative(step.deltas);
    case "wheel":
      return encodeWheel(step.deltas);
  }
}

export class HidOutput {
  readonly #send: (bytes: Bytes) => void;
  readonly #watchers = new Set<(step: Step) => void>();
  #connection = 0;

  constructor(send: (bytes: Bytes) => void) {
    this.#send = send;
  }

  /** Counts connections: whoever finds another number has lost what it held, and must not go on as if it held it. */
  get connection(): number {
    return this.#connection;
  }

  /** The connection is gone, and with it all that was held. */
  forget(): void {
    this.#connection++;
  }

  do(step: Step): void {
    this.#send(encode(step));
    for (const watcher of this.#watchers) {
      watcher(step);
    }
  }

  /** Have every step until the returned function is called. */
  watch(watcher: (step: Step) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }
}
