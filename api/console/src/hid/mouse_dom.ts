/** Joins the mouse to the element that shows the picture: pointer events, wheel, pointer lock. */

import type { Point, Rect } from "./geometry";
import { whenLeft } from "./leaving";
import type { Mouse } from "./mouse";
import { sensitivity, wheelReversed, wheelSpeed } from "./pointer_settings";
import { TouchInput } from "./touch_dom";

export interface MouseSurface {
  /** Whether the target's mouse takes places (true) or movements. */
  readonly absolute: () => boolean;
  /** The place of the target's screen that is seen at a point of the page. */
  readonly place: (point: Point) => Point;
  /** Where the picture is seen on the page. */
  readonly picture: () => Rect;
  /** The pointer became locked to the element, or free again. */
  readonly onLocked: (locked: boolean) => void;
  /** Every pointer event, for those who want to know the modifiers. */
  readonly onPointer: (event: PointerEvent) => void;
}

/** Lock the pointer, with the mouse's own movements where the browser has them. */
async function lock(element: HTMLElement): Promise<void> {
  try {
    await element.requestPointerLock({ unadjustedMovement: true });
  } catch (error) {
    if (!(error instanceof DOMException) || error.name !== "NotSupportedError") {
      throw error;
    }
    await element.requestPointerLock();
  }
}

/** Listen until the returned function is called, which also releases what is held. */
export function attachMouse(element: HTMLElement, mouse: Mouse, surface: MouseSurface): () => void {
  const listening = new AbortController();
  const { signal } = listening;
  const turn = (dx: number, dy: number, mode: number): void =>
    mouse.turn(dx, dy, mode, wheelSpeed.peek() * (wheelReversed.peek() ? -1 : 1));
  const touch = new TouchInput(mouse, {
    ...surface,
    wheel: (dx, dy) => turn(dx, dy, WheelEvent.DOM_DELTA_PIXEL),
  });
  const release = (): void => {
    touch.cancel();
    mouse.releaseAll();
  };
  const isLocked = (): boolean => document.pointerLockElement === element;
  /** The click that catches the pointer is the page's own, to its end. */
  let catching = false;

  const onPointer = (event: PointerEvent): void => {
    surface.onPointer(event);
    if (event.pointerType === "touch") {
      touch.handle(event);
      return;
    }
    if (surface.absolute()) {
      mouse.moveTo(surface.place({ x: event.clientX, y: event.clientY }));
    } else if (isLocked() && !catching) {
      const factor = sensitivity.peek();
      mouse.moveBy(event.movementX * factor, event.movementY * factor);
    } else {
      catching &&= event.buttons !== 0;
      return;
    }
    // `buttons` is the whole truth of every event, so that no release can be missed.
    mouse.press(event.buttons);
  };

  element.addEventListener(
    "pointerdown",
    (event) => {
      element.focus({ preventScroll: true });
      if (surface.absolute() || event.pointerType === "touch") {
        // A drag that ends outside of the picture still ends here.
        element.setPointerCapture(event.pointerId);
      } else if (!isLocked()) {
        catching = true;
        // Refused shortly after the user has left the lock with Escape; the next click works again.
        lock(element).catch(() => surface.onLocked(false));
      }
      onPointer(event);
      // Its default stays: without it no mouse event follows, and those are what the browser acts upon.
    },
    { signal },
  );
  element.addEventListener("pointermove", onPointer, { signal });
  element.addEventListener("pointerup", onPointer, { signal });
  element.addEventListener("pointercancel", release, { signal });
  element.addEventListener(
    "lostpointercapture",
    (event) => {
      // A finger that is up has lost it too, and has been heard.
      if (event.pointerType !== "touch") {
        onPointer(event);
      }
    },
    { signal },
  );
  element.addEventListener(
    "wheel",
    (event) => {
      turn(event.deltaX, event.deltaY, event.deltaMode);
      event.preventDefault();
    },
    { signal, passive: false },
  );
  for (const name of ["mousedown", "mouseup", "auxclick", "contextmenu", "dragstart"]) {
    // Back and forward, the middle button's scrolling, the menu: all of them belong to the target.
    element.addEventListener(name, (event) => event.preventDefault(), { signal });
  }
  document.addEventListener(
    "pointerlockchange",
    () => {
      surface.onLocked(isLocked());
      release();
    },
    { signal },
  );
  whenLeft(release, signal);
  return () => {
    listening.abort();
    if (isLocked()) {
      document.exitPointerLock();
    }
    release();
  };
}
