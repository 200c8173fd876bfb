/**
 * Paints pictures on a canvas, the newest one with each frame of the browser; older ones that it had no time
 * for are given back unseen. The canvas takes the size of what is painted.
 */

import { type ReadonlySignal, signal } from "@preact/signals";
import type { Size } from "../hid/geometry";
import type { Picture } from "./decoders";

export interface PainterOptions {
  /** Calls back with the browser's next frame. */
  readonly nextFrame: (callback: () => void) => void;
  /** Whether to paint at once: the browser makes no frames of a page that is not seen, but its copies are. */
  readonly atOnce: () => boolean;
  /**
   * A picture was painted. It reaches the screen with the frame that the browser is just making, so the
   * screen is later by what the compositor and the display need; no interface of the browser tells that.
   */
  readonly onPainted: (picture: Picture) => void;
}

export class Painter {
  readonly #options: PainterOptions;
  readonly #size = signal<Size | null>(null);
  #canvas: HTMLCanvasElement | null = null;
  #waiting: Picture | null = null;

  constructor(options: PainterOptions) {
    this.#options = options;
  }

  /** The size of the picture that is there; null without one. */
  get size(): ReadonlySignal<Size | null> {
    return this.#size;
  }

  set canvas(canvas: HTMLCanvasElement | null) {
    this.clear();
    this.#canvas = canvas;
  }

  show(picture: Picture): void {
    const asked = this.#waiting !== null;
    this.#waiting?.close();
    this.#waiting = picture;
    if (this.#options.atOnce()) {
      this.#paint();
    } else if (!asked) {
      this.#options.nextFrame(() => this.#paint());
    }
  }

  /** Have no picture. */
  clear(): void {
    this.#waiting?.close();
    this.#waiting = null;
    this.#size.value = null;
    if (this.#canvas !== null) {
      // Also when it is the same: setting it wipes the canvas.
      this.#canvas.width = this.#canvas.width;
    }
  }

  #paint(): void {
    const picture = this.#waiting;
    const canvas = this.#canvas;
    this.#waiting = null;
    if (picture === null) {
      return;
    }
    const context = canvas?.getContext("2d", { alpha: false, desynchronized: true }) ?? null;
    if (canvas !== null && context !== null) {
      const { width, height } = picture;
      if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
      }
      context.drawImage(picture.image, 0, 0);
      const before = this.#size.peek();
      if (before?.width !== width || before.height !== height) {
        this.#size.value = { width, height };
      }
      this.#options.onPainted(picture);
    }
    picture.close();
  }
}
