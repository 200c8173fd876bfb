/**
 * What the mouse does, as messages for the target: at most one movement per animation frame, always in order
 * with the buttons, and no button left down. Pure: the DOM is in mouse_dom.ts.
 */

import type { ButtonName, Delta } from "../net/wire";
import type { Point } from "./geometry";
import { Wheel } from "./wheel";

/** Takes mouse events to the target. */
export interface MouseSink {
  move(x: number, y: number): void;
  relative(deltas: readonly Delta[]): void;
  wheel(deltas: readonly Delta[]): void;
  button(name: ButtonName, pressed: boolean): void;
  /** Whether the network lags behind: movements wait (and merge) until it does not. */
  congested(): boolean;
}

/** The bits of `MouseEvent.buttons` and the contract's names: 8 is "back", 16 is "forward". */
const BUTTONS: readonly (readonly [bit: number, name: ButtonName])[] = [
  [1, "left"],
  [2, "right"],
  [4, "middle"],
  [8, "up"],
  [16, "down"],
];

const REPORT_LIMIT = 127;

/** A movement as reports of at most 127 each way, in a straight line. */
export function splitMovement(dx: number, dy: number): Delta[] {
  const count = Math.ceil(Math.max(Math.abs(dx), Math.abs(dy)) / REPORT_LIMIT);
  const parts: Delta[] = [];
  let doneX = 0;
  let doneY = 0;
  for (let part = 1; part <= count; part++) {
    const x = Math.round((dx * part) / count);
    const y = Math.round((dy * part) / count);
    parts.push([x - doneX, y - doneY]);
    doneX = x;
    doneY = y;
  }
  return parts;
}

export class Mouse {
  readonly #sink: MouseSink;
  readonly #nextFrame: (callback: () => void) => void;
  readonly #wheel = new Wheel();
  #target: Point | null = null;
  #sent: Point | null = null;
  #moved: Point = { x: 0, y: 0 };
  #buttons = 0;
  #scheduled = false;

  constructor(sink: MouseSink, nextFrame: (callback: () => void) => void) {
    this.#sink = sink;
    this.#nextFrame = nextFrame;
  }

  /** The pointer is at a place of the target's screen, in -32768..32767 on both axes. */
  moveTo(place: Point): void {
    this.#target = place;
    this.#schedule();
  }

  /** The locked pointer has moved by so many pixels. */
  moveBy(dx: number, dy: number): void {
    this.#moved = { x: this.#moved.x + dx, y: this.#moved.y + dy };
    this.#schedule();
  }

  /** The buttons that are down now, as `MouseEvent.buttons`; those that changed are sent. */
  press(buttons: number): void {
    const changed = buttons ^ this.#buttons;
    if (changed === 0) {
      return;
    }
    // The button acts where the pointer is, not where it was at the last frame.
    this.#flush();
    this.#buttons = buttons;
    for (const [bit, name] of BUTTONS) {
      if ((changed & bit) !== 0) {
        this.#sink.button(name, (buttons & bit) !== 0);
      }
    }
  }

  /** A `WheelEvent`, its way times `factor` (negative turns it round). */
  turn(deltaX: number, deltaY: number, deltaMode: number, factor = 1): void {
    const step = this.#wheel.turn(deltaX, deltaY, deltaMode, factor);
    if (step !== null) {
      this.#flush();
      this.#sink.wheel([step]);
    }
  }

  /** The page loses the mouse. */
  releaseAll(): void {
    this.press(0);
  }

  /** The appliance has released everything by itself (the socket closed), or the mouse became another one. */
  forget(): void {
    this.#target = this.#sent = null;
    this.#moved = { x: 0, y: 0 };
    this.#buttons = 0;
  }

  #schedule(): void {
    if (!this.#scheduled) {
      this.#scheduled = true;
      this.#nextFrame(() => this.#frame());
    }
  }

  #frame(): void {
    this.#scheduled = false;
    if (this.#sink.congested()) {
      this.#schedule();
    } else {
      this.#flush();
    }
  }

  #flush(): void {
    const target = this.#target;
    if (target !== null && (target.x !== this.#sent?.x || target.y !== this.#sent.y)) {
      this.#sent = target;
      this.#sink.move(target.x, target.y);
    }
    // Browsers may report fractions of a pixel; what is less than one waits.
    const dx = Math.trunc(this.#moved.x);
    const dy = Math.trunc(this.#moved.y);
    if (dx !== 0 || dy !== 0) {
      this.#moved = { x: this.#moved.x - dx, y: this.#moved.y - dy };
      this.#sink.relative(splitMovement(dx, dy));
    }
  }
}
