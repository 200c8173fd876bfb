/**
 * A layer over the screen in which a region is chosen. While it is there nothing goes to the target: it has the
 * focus, and lies above the picture.
 */

import { signal } from "@preact/signals";
import { createPortal } from "preact/compat";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Point, Rect } from "../../hid/geometry";
import { text } from "../../text";
import { rotation } from "../../video/view";
import { type Edges, between, edgesOf } from "./region";

const STEP_PX = 10;

/** Whether it is there. */
export const selecting = signal(false);

function pictureRect(): Rect {
  const { x, y, width, height } = (document.getElementById("video") as HTMLElement).getBoundingClientRect();
  return { x, y, width, height };
}

function sizeOfPicture(): { width: number; height: number } {
  const [width = 0, height = 0] = (document.getElementById("video")?.dataset["size"] ?? "")
    .split("x")
    .map(Number);
  return { width, height };
}

export function Selector({ onChosen }: { onChosen: (edges: Edges) => void }) {
  const layer = useRef<HTMLDivElement>(null);
  const [corner, setCorner] = useState<Point | null>(null);
  const [cursor, setCursor] = useState<Point | null>(null);
  useEffect(() => layer.current?.focus(), []);
  const end = (): void => {
    selecting.value = false;
    document.getElementById("screen")?.focus({ preventScroll: true });
  };
  const choose = (from: Point, to: Point): void => {
    const picture = pictureRect();
    const region = between(from, to, picture);
    end();
    if (region.width > 2 && region.height > 2) {
      onChosen(edgesOf(region, picture, rotation.peek(), sizeOfPicture()));
    }
  };
  const onKey = (event: KeyboardEvent): void => {
    const picture = pictureRect();
    const at = cursor ?? { x: picture.x, y: picture.y };
    const far = { x: picture.x + picture.width, y: picture.y + picture.height };
    const moved = (dx: number, dy: number): void => {
      const x = Math.max(picture.x, Math.min(far.x, at.x + dx));
      setCursor({ x, y: Math.max(picture.y, Math.min(far.y, at.y + dy)) });
    };
    const step = event.shiftKey ? STEP_PX * 5 : STEP_PX;
    switch (event.key) {
      case "Escape":
        end();
        break;
      case "Enter":
        choose(corner ?? { x: picture.x, y: picture.y }, at);
        break;
      case " ":
        setCorner(at);
        break;
      case "ArrowLeft":
        moved(-step, 0);
        break;
      case "ArrowRight":
        moved(step, 0);
        break;
      case "ArrowUp":
        moved(0, -step);
        break;
      case "ArrowDown":
        moved(0, step);
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  const stage = document.querySelector(".stage");
  if (stage === null) {
    return null;
  }
  const place = (event: PointerEvent): Point => ({ x: event.clientX, y: event.clientY });
  const region = corner !== null && cursor !== null ? between(corner, cursor, pictureRect()) : null;
  const box = stage.getBoundingClientRect();
  return createPortal(
    <div
      id="selector"
      data-testid="selector"
      class="selector"
      ref={layer}
      role="application"
      aria-label={text.value.ocr.selecting}
      tabIndex={0}
      onKeyDown={onKey}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        setCorner(place(event));
        setCursor(place(event));
      }}
      onPointerMove={(event) => {
        if (event.buttons !== 0) {
          setCursor(place(event));
        }
      }}
      onPointerUp={(event) => {
        if (corner !== null) {
          choose(corner, place(event));
        }
      }}
    >
      <p class="selector-words">{text.value.ocr.selecting}</p>
      {region !== null && (
        <div
          class="selector-region"
          style={{
            left: `${region.x - box.x}px`,
            top: `${region.y - box.y}px`,
            width: `${region.width}px`,
            height: `${region.height}px`,
          }}
        />
      )}
      {region === null && cursor !== null && (
        <div
          class="selector-cursor"
          style={{ left: `${cursor.x - box.x}px`, top: `${cursor.y - box.y}px` }}
        />
      )}
    </div>,
    stage,
  );
}
