/**
 * Plays macros and records them. Whatever ends a replay (its end, a person, the network), nothing that it
 * pressed stays down.
 */

import { type ReadonlySignal, signal } from "@preact/signals";
import type { HidOutput } from "../hid/output";
import type { Macro, MacroStep } from "./macro";

export interface Clock {
  readonly now: () => number;
  /** Resolves after `ms`, or rejects when `stop` is aborted. */
  readonly sleep: (ms: number, stop: AbortSignal) => Promise<void>;
}

export interface Replay {
  readonly name: string;
  /** Steps done, of all in all rounds. */
  readonly done: number;
  readonly count: number;
}

export type End = "finished" | "stopped" | "disconnected";

export class Player {
  readonly #hid: HidOutput;
  readonly #clock: Clock;
  readonly #isOnline: () => boolean;
  readonly #replay = signal<Replay | null>(null);
  #stop: AbortController | null = null;

  constructor(hid: HidOutput, clock: Clock, isOnline: () => boolean) {
    this.#hid = hid;
    this.#clock = clock;
    this.#isOnline = isOnline;
  }

  get replay(): ReadonlySignal<Replay | null> {
    return this.#replay;
  }

  /** Play it `rounds` times, pauses divided by `speed`; one at a time. */
  async play({ name, steps }: Macro, rounds: number, speed: number): Promise<End> {
    this.#stop?.abort();
    const stop = new AbortController();
    this.#stop = stop;
    const held = new Map<string, MacroStep>();
    const count = steps.length * rounds;
    const { connection } = this.#hid;
    // A short break in the middle of a pause counts too: what was held is not any more.
    const isBroken = (): boolean => !this.#isOnline() || this.#hid.connection !== connection;
    try {
      for (let done = 0; done < count; done++) {
        if (isBroken()) {
          return "disconnected";
        }
        this.#replay.value = { name, done, count };
        const step = steps[done % steps.length] as MacroStep;
        if (step.kind === "wait") {
          await this.#clock.sleep(step.ms / speed, stop.signal);
        } else {
          this.#hid.do(step);
          note(held, step);
        }
        if (stop.signal.aborted) {
          return "stopped";
        }
      }
      return isBroken() ? "disconnected" : "finished";
    } catch (error) {
      if (stop.signal.aborted) {
        return "stopped";
      }
      throw error;
    } finally {
      // A connection that broke has released them (websocket.md 1.8), and takes nothing now.
      for (const step of held.values()) {
        if (step.kind === "key" || step.kind === "button") {
          this.#hid.do({ ...step, pressed: false });
        }
      }
      if (this.#stop === stop) {
        this.#stop = null;
        this.#replay.value = null;
      }
    }
  }

  stop(): void {
    this.#stop?.abort();
  }
}

function note(held: Map<string, MacroStep>, step: MacroStep): void {
  if (step.kind === "key" || step.kind === "button") {
    const which = `${step.kind} ${step.name}`;
    step.pressed ? held.set(which, step) : held.delete(which);
  }
}

/** What keyboard and mouse do from now on, with the pauses between. */
export class Recorder {
  readonly #clock: Clock;
  readonly #unwatch: () => void;
  readonly #steps: MacroStep[] = [];
  #last: number | null = null;

  constructor(hid: HidOutput, clock: Clock) {
    this.#clock = clock;
    this.#unwatch = hid.watch((step) => this.#add(step));
  }

  get count(): number {
    return this.#steps.length;
  }

  /** End, and return what was recorded. A key that is still held is let go at its end. */
  finish(): readonly MacroStep[] {
    this.#unwatch();
    const held = new Map<string, MacroStep>();
    for (const step of this.#steps) {
      note(held, step);
    }
    for (const step of held.values()) {
      if (step.kind === "key" || step.kind === "button") {
        this.#steps.push({ ...step, pressed: false });
      }
    }
    return this.#steps;
  }

  #add(step: MacroStep): void {
    const now = this.#clock.now();
    const ms = this.#last === null ? 0 : Math.round(now - this.#last);
    this.#last = now;
    if (ms > 0) {
      this.#steps.push({ kind: "wait", ms });
    }
    this.#steps.push(step);
  }
}

/** The page's own clock. */
export const pageClock: Clock = {
  now: () => performance.now(),
  sleep: (ms, stop) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, ms);
      stop.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(new DOMException("The replay was stopped.", "AbortError"));
      });
    }),
};
