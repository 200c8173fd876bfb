/** The target's screen: the picture, the input that goes to it, and the words when there is none. */

import { effect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Point, type Rect, shareOf, shownRect, toAbsolute } from "../hid/geometry";
import { attachKeyboard, modifiersOf } from "../hid/keyboard_dom";
import { attachMouse } from "../hid/mouse_dom";
import { cursorShape } from "../hid/pointer_settings";
import { call } from "../net/api";
import type { Session } from "../session";
import { text } from "../text";
import { whyNoPicture } from "../video/no_picture";
import type { Stage } from "../video/video";
import { rotation, scale } from "../video/view";
import { Retry } from "./connection";
import { useSession } from "./context";

/** The frame that shows the focus hides nothing of the picture (styles/console.css). */
const FRAME_PX = 2;

const NO_SIZE = { width: 0, height: 0 };

function boxOf(element: HTMLElement): Rect {
  const { x, y, width, height } = element.getBoundingClientRect();
  return { x, y, width, height };
}

/** Join keyboard, mouse and stream to the elements. */
function attach(session: Session, screen: HTMLElement, picture: HTMLElement, stage: Stage): () => void {
  const detachers = [
    session.video.attach(stage),
    attachKeyboard(screen, session.keyboard),
    attachMouse(screen, session.mouse, {
      absolute: () => session.appliance.states.hid.peek()?.mouse.absolute ?? true,
      // The element itself is where the picture is seen.
      place: (point) => toAbsolute(point, boxOf(picture), rotation.peek()),
      picture: () => boxOf(picture),
      onLocked: (locked) => {
        session.caught.value = locked;
      },
      onPointer: (event) => session.keyboard.observe(modifiersOf(event)),
    }),
  ];
  return () => {
    for (const detach of detachers) {
      detach();
    }
  };
}

/** Keep the picture where it is seen: by its size, the room that there is, and where one looks. */
function layOut(session: Session, screen: HTMLElement, picture: HTMLElement): () => void {
  let look: Point = { x: 0.5, y: 0.5 };
  const place = (): void => {
    const box = {
      x: FRAME_PX,
      y: FRAME_PX,
      width: screen.clientWidth - 2 * FRAME_PX,
      height: screen.clientHeight - 2 * FRAME_PX,
    };
    const view = { rotation: rotation.value, actualSize: scale.value === "actual" };
    const size = session.video.size.value ?? NO_SIZE;
    const { x, y, width, height } = shownRect(box, size, view, devicePixelRatio, look);
    Object.assign(picture.style, {
      left: `${x}px`,
      top: `${y}px`,
      width: `${width}px`,
      height: `${height}px`,
    });
    picture.dataset["rotation"] = String(view.rotation);
  };
  const stop = effect(place);
  const observer = new ResizeObserver(place);
  observer.observe(screen);
  const listening = new AbortController();
  screen.addEventListener(
    "pointermove",
    (event) => {
      if (scale.peek() === "actual") {
        look = shareOf(boxOf(screen), { x: event.clientX, y: event.clientY });
        place();
      }
    },
    // Before the pointer's place is taken from it.
    { signal: listening.signal, capture: true },
  );
  return () => {
    stop();
    observer.disconnect();
    listening.abort();
  };
}

/**
 * Says why there is no picture. It lies over the screen but lets all input through; only the button that is
 * there while nothing could take the input anyway catches clicks.
 */
function Overlay() {
  const session = useSession();
  const { streamer, atx } = session.appliance.states;
  const reason = whyNoPicture(
    session.control.status.value,
    streamer.value,
    atx.value,
    session.video.loaded.value,
  );
  const [title, advice] = reason === null ? ["", ""] : text.value.overlay[reason.why];
  const trouble = useCaptureTrouble(
    reason !== null && ["stopped", "no_signal", "loading"].includes(reason.why),
  );
  return (
    <div id="overlay" data-testid="overlay" class="overlay" data-why={reason?.why ?? ""}>
      <div class="overlay-card">
        <div role="status">
          <p class="overlay-title">{title}</p>
          <p>{advice}</p>
          {trouble !== "" && <p id="capture-trouble">{text.value.screen.captureTrouble(trouble)}</p>}
        </div>
        {/* Not a part of the status: a voice that counts every second helps nobody. */}
        {reason?.why === "reconnecting" && <Retry retryAtMs={reason.retryAtMs} />}
      </div>
    </div>
  );
}

/** Often enough to see a repair, seldom enough to leave the log alone. */
const LOOK_MS = 10_000;

/** The part that brings the picture, by its name in the supervision (docs: ARCHITECTURE.md, "The nursery tree"). */
const CAPTURE_TASK = "streamer.capture";

/** What the capture itself says of its trouble, asked for while there is no picture; "" if it has none. */
function useCaptureTrouble(wanted: boolean): string {
  const session = useSession();
  const [trouble, setTrouble] = useState("");
  useEffect(() => {
    setTrouble("");
    if (!wanted) {
      return undefined;
    }
    const look = (): void => {
      call<{ tasks: Record<string, { phase: string; last_error: string | null }> }>(
        "GET",
        session.base,
        "api/supervisor",
      ).then(
        ({ tasks }) => {
          const task = tasks[CAPTURE_TASK];
          setTrouble(task !== undefined && task.phase !== "online" ? (task.last_error ?? "") : "");
        },
        // Without an answer the overlay says so by itself.
        () => setTrouble(""),
      );
    };
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => clearInterval(timer);
  }, [session, wanted]);
  return trouble;
}

export function Screen() {
  const session = useSession();
  const screen = useRef<HTMLDivElement>(null);
  const picture = useRef<HTMLDivElement>(null);
  const image = useRef<HTMLImageElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const [screenPart, picturePart] = [screen.current, picture.current];
    const [imagePart, canvasPart] = [image.current, canvas.current];
    if (screenPart === null || picturePart === null || imagePart === null || canvasPart === null) {
      return undefined;
    }
    screenPart.focus({ preventScroll: true });
    const detach = attach(session, screenPart, picturePart, { image: imagePart, canvas: canvasPart });
    const leave = layOut(session, screenPart, picturePart);
    return () => {
      leave();
      detach();
    };
  }, [session]);

  const {
    loaded: { value: loaded },
    transport: { value: transport },
    size: { value: size },
  } = session.video;
  const absolute = session.appliance.states.hid.value?.mouse.absolute ?? true;
  useEffect(() => {
    // The two mice share nothing: what was sent to one is not known to the other.
    session.mouse.forget();
    if (absolute && document.pointerLockElement !== null) {
      document.exitPointerLock();
    }
  }, [session, absolute]);

  return (
    <main class="stage">
      <div
        id="screen"
        data-testid="screen"
        class="screen"
        ref={screen}
        role="application"
        aria-label={text.value.screen.label}
        tabIndex={0}
        data-mouse={absolute ? "absolute" : "relative"}
        data-cursor={cursorShape.value}
        onFocus={() => {
          session.captured.value = true;
        }}
        onBlur={() => {
          session.captured.value = false;
        }}
      >
        <div
          id="video"
          data-testid="video"
          class="picture"
          ref={picture}
          role="img"
          aria-label={text.value.screen.picture}
          data-loaded={loaded}
          data-transport={transport ?? ""}
          data-size={size === null ? "" : `${size.width}x${size.height}`}
        >
          {/* Both stay where they are: what holds the picture is not to be made anew with it. */}
          <canvas id="video-canvas" ref={canvas} hidden={transport === "mjpeg"} />
          <img id="video-image" ref={image} alt="" hidden={transport !== "mjpeg"} draggable={false} />
        </div>
      </div>
      <Overlay />
    </main>
  );
}
