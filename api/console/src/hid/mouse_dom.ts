/** Joins the mouse to the element that shows the picture: pointer events, wheel, pointer lock. */

import type { Point } from "./geometry";
import type { Mouse } from "./mouse";

export interface MouseSurface {
  /** Whether the target's mouse takes places (true) or movements. */
  readonly absolute: () => boolean;
  /** The place of the target's screen that is seen at a point of the page. */
  readonly place: (point: Point) => Point;
  /** The pointer became locked to the element, or free again. */
  readonly onLocked: (locked: boolean) => void;
  /** Every pointer event, for those who want to know the modifiers. */
  readonly onPointer: (event: PointerEvent) => void;
}

/** Listen until the returned function is called, which also releases what is held. */
export function attachMouse(element: HTMLElement, mouse: Mouse, surface: MouseSurface): () => void {
  const listening = new AbortController();
  const { signal } = listening;
  const release = (): void => mouse.releaseAll();
  const isLocked = (): boolean => document.pointerLockElement === element;
  /** The click that catches the pointer is the page's own, to its end. */
  let catching = false;

  const onPointer = (event: PointerEvent): void => {
    surface.onPointer(event);
    if (surface.absolute()) {
      mouse.moveTo(surface.place({ x: event.clientX, y: event.clientY }));
    } else if (isLocked() && !catching) {
      mouse.moveBy(event.movementX, event.movementY);
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
      if (surface.absolute()) {
        // A drag that ends outside of the picture still ends here.
        element.setPointerCapture(event.pointerId);
      } else if (!isLocked()) {
        catching = true;
        // Refused shortly after the user has left the lock with Escape; the next click works again.
        Promise.resolve(element.requestPointerLock()).catch(() => surface.onLocked(false));
      }
      onPointer(event);
      // Its default stays: without it no mouse event follows, and those are what the browser acts upon.
    },
    { signal },
  );
  element.addEventListener("pointermove", onPointer, { signal });
  element.addEventListener("pointerup", onPointer, { signal });
  element.addEventListener("pointercancel", release, { signal });
  element.addEventListener("lostpointercapture", onPointer, { signal });
  element.addEventListener(
    "wheel",
    (event) => {
      mouse.turn(event.deltaX, event.deltaY, event.deltaMode);
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
  window.addEventListener("blur", release, { signal });
  window.addEventListener("pagehide", release, { signal });
  document.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState === "hidden") {
        release();
      }
    },
    { signal },
  );
  return () => {
    listening.abort();
    if (isLocked()) {
      document.exitPointerLock();
    }
    release();
  };
}
