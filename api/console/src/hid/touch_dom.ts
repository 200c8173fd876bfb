/** Joins fingers on an element to the mouse. */

import { type Point, type Rect, shareOf } from "./geometry";
import type { Mouse } from "./mouse";
import { sensitivity, touchMode } from "./pointer_settings";
import { LONG_PRESS_MS, Touch } from "./touch";

export interface TouchSurface {
  /** Whether the target's mouse takes places (true) or movements. */
  readonly absolute: () => boolean;
  /** The place of the target's screen that is seen at a point of the page. */
  readonly place: (point: Point) => Point;
  /** Where the picture is seen on the page. */
  readonly picture: () => Rect;
  readonly wheel: (dx: number, dy: number) => void;
}

function clamp(value: number, least: number, length: number): number {
  return Math.max(least, Math.min(least + Math.max(0, length - 1), value));
}

/** Handles `pointer*` events of fingers; anything else is not for it. */
export class TouchInput {
  readonly #touch: Touch;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(mouse: Mouse, surface: TouchSurface) {
    /** Where in the picture the pointer is, 0..1: the picture itself may move on the page meanwhile. */
    let pointer: Point = { x: 0.5, y: 0.5 };
    const pointAt = (point: Point): void => {
      pointer = shareOf(surface.picture(), point);
      mouse.moveTo(surface.place(point));
    };
    this.#touch = new Touch(
      {
        pointAt,
        push: (dx, dy) => {
          const factor = sensitivity.peek();
          if (!surface.absolute()) {
            mouse.moveBy(dx * factor, dy * factor);
            return;
          }
          const { x, y, width, height } = surface.picture();
          pointAt({
            x: clamp(x + pointer.x * width + dx * factor, x, width),
            y: clamp(y + pointer.y * height + dy * factor, y, height),
          });
        },
        press: (buttons) => mouse.press(buttons),
        wheel: surface.wheel,
      },
      // A mouse that takes movements cannot be pointed with.
      () => (surface.absolute() ? touchMode.peek() : "trackpad"),
    );
  }

  handle(event: PointerEvent): void {
    const place = { x: event.clientX, y: event.clientY };
    const now = event.timeStamp;
    switch (event.type) {
      case "pointerdown":
        this.#touch.down(event.pointerId, place, now);
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#touch.check(now + LONG_PRESS_MS), LONG_PRESS_MS);
        break;
      case "pointermove":
        this.#touch.move(event.pointerId, place);
        break;
      case "pointerup":
        this.#touch.up(event.pointerId, now);
        break;
      default:
        this.cancel();
    }
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#touch.cancel();
  }
}
