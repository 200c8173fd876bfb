/** Wheel movements of the browser, of any smoothness, as whole steps of the target's wheel. Pure. */

import type { Delta } from "../net/wire";

/** `WheelEvent.deltaMode`: pixels, lines, pages. What one unit of each is in pixels. */
const PIXELS_PER_UNIT: readonly number[] = [1, 33.4, 300];

/** One notch of a usual wheel gives 100 to 120 pixels in browsers. */
const PIXELS_PER_STEP = 100;

const REPORT_LIMIT = 127;

class Axis {
  #rest_px = 0;

  /** Take a movement and give the whole steps it completes. */
  add(delta_px: number): number {
    if (delta_px * this.#rest_px < 0) {
      // A turn back acts at once, without first undoing what was left.
      this.#rest_px = 0;
    }
    this.#rest_px += delta_px;
    const steps = Math.trunc(this.#rest_px / PIXELS_PER_STEP);
    this.#rest_px -= steps * PIXELS_PER_STEP;
    return Math.max(-REPORT_LIMIT, Math.min(REPORT_LIMIT, steps));
  }
}

export class Wheel {
  readonly #x = new Axis();
  readonly #y = new Axis();

  /**
   * Take a `WheelEvent`'s deltas, times `factor`; the answer is the step to send, or null while there is no whole one yet.
   * Browsers count y downwards, the target upwards (contract subsystems.md 2.1).
   */
  turn(deltaX: number, deltaY: number, deltaMode: number, factor = 1): Delta | null {
    const unit = (PIXELS_PER_UNIT[deltaMode] ?? 1) * factor;
    const dx = this.#x.add(deltaX * unit);
    const dy = -this.#y.add(deltaY * unit);
    return dx === 0 && dy === 0 ? null : [dx, dy];
  }
}
