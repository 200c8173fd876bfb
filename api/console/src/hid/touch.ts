/**
 * Fingers on the screen as a mouse, in one of two ways: "direct", where a finger points at what it touches, or
 * "trackpad", where it pushes the pointer. Whatever the fingers do, no button stays down when they are gone.
 * Pure: the DOM is in touch_dom.ts.
 */

import type { Point } from "./geometry";

export type TouchMode = "direct" | "trackpad";

export interface TouchSink {
  /** The pointer is at a point of the page. */
  pointAt(point: Point): void;
  /** The pointer moves by so many pixels of the page. */
  push(dx: number, dy: number): void;
  /** The buttons that are down now, as `MouseEvent.buttons`. */
  press(buttons: number): void;
  /** Both axes as a `WheelEvent` has them, in pixels. */
  wheel(dx: number, dy: number): void;
}

const LEFT = 1;
const RIGHT = 2;
const MIDDLE = 4;

/** A finger that moves less has not moved. */
const SLOP_PX = 10;
/** Longer than any tap, shorter than patience. */
export const LONG_PRESS_MS = 500;
const TAP_MS = 300;

interface Finger {
  readonly start: Point;
  place: Point;
}

/** What the fingers are doing together. */
type Doing = "nothing" | "tap" | "move" | "drag" | "held" | "scroll";

export class Touch {
  readonly #sink: TouchSink;
  readonly #mode: () => TouchMode;
  readonly #fingers = new Map<number, Finger>();
  #doing: Doing = "nothing";
  /** The most fingers at once since all were up. */
  #most = 0;
  #since = 0;
  /** When the last tap of one finger ended: a touch right after it drags. */
  #tapped = Number.NEGATIVE_INFINITY;
  #again = false;

  constructor(sink: TouchSink, mode: () => TouchMode) {
    this.#sink = sink;
    this.#mode = mode;
  }

  /** A finger comes down at a time in ms. */
  down(id: number, place: Point, now: number): void {
    if (this.#fingers.size === 0) {
      this.#doing = "tap";
      this.#most = 0;
      this.#since = now;
      this.#again = now - this.#tapped < TAP_MS;
      if (this.#mode() === "direct") {
        this.#sink.pointAt(place);
      }
    } else if (this.#doing === "drag" || this.#doing === "held") {
      // A second finger is no part of a drag.
      this.#sink.press(0);
      this.#doing = "scroll";
    } else if (this.#doing === "move") {
      this.#doing = "scroll";
    }
    this.#fingers.set(id, { start: place, place });
    this.#most = Math.max(this.#most, this.#fingers.size);
  }

  move(id: number, place: Point): void {
    const finger = this.#fingers.get(id);
    if (finger === undefined) {
      return;
    }
    const dx = place.x - finger.place.x;
    const dy = place.y - finger.place.y;
    const moved = Math.hypot(place.x - finger.start.x, place.y - finger.start.y) > SLOP_PX;
    if (this.#doing === "tap" && !moved) {
      return;
    }
    finger.place = place;
    if (this.#doing === "tap") {
      this.#begin(finger);
    }
    if (this.#doing === "scroll") {
      // Half of it: both fingers bring theirs.
      this.#sink.wheel(-dx / this.#fingers.size, -dy / this.#fingers.size);
    } else if (this.#mode() === "direct") {
      this.#sink.pointAt(place);
    } else {
      this.#sink.push(dx, dy);
    }
  }

  up(id: number, now: number): void {
    const finger = this.#fingers.get(id);
    if (finger === undefined) {
      return;
    }
    this.#fingers.delete(id);
    if (this.#fingers.size > 0) {
      return;
    }
    if (this.#doing === "tap" && now - this.#since < LONG_PRESS_MS) {
      this.#tap(now);
    } else {
      this.#sink.press(0);
    }
    this.#doing = "nothing";
  }

  /** Call when `LONG_PRESS_MS` have passed since a finger came down. */
  check(now: number): void {
    if (this.#doing === "tap" && this.#fingers.size === 1 && this.#most === 1) {
      if (now - this.#since >= LONG_PRESS_MS) {
        this.#doing = "held";
        this.#sink.press(RIGHT);
      }
    }
  }

  /** The browser took the fingers away, or the page lost them. */
  cancel(): void {
    this.#fingers.clear();
    this.#doing = "nothing";
    this.#sink.press(0);
  }

  /** The first finger has moved: what is it doing? */
  #begin(finger: Finger): void {
    if (this.#fingers.size > 1) {
      this.#doing = "scroll";
    } else if (this.#mode() === "direct") {
      this.#doing = "drag";
      this.#sink.pointAt(finger.start);
      this.#sink.press(LEFT);
    } else if (this.#again) {
      this.#doing = "drag";
      this.#sink.press(LEFT);
    } else {
      this.#doing = "move";
    }
  }

  #tap(now: number): void {
    const button = this.#most === 1 ? LEFT : this.#most === 2 ? RIGHT : MIDDLE;
    this.#sink.press(button);
    this.#sink.press(0);
    this.#tapped = this.#most === 1 ? now : Number.NEGATIVE_INFINITY;
  }
}
