/**
 * What the picture does, for people: frames and bits a second, and how old a picture is when it is painted.
 * Pure: the times come from outside, in seconds.
 */

import type { FrameTimes } from "./media_wire";

/**
 * What one second of video was like; latencies are medians in milliseconds, null where they are not known.
 */
export interface Reading {
  readonly fps: number;
  readonly kbps: number;
  readonly captureToPaintMs: number | null;
  /**
   * The parts of it: in the appliance until the frame was encoded, waiting to be sent, and from there to the
   * screen.
   */
  readonly encodedMs: number | null;
  readonly sentMs: number | null;
  readonly shownMs: number | null;
}

function medianMs(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)];
  return middle === undefined ? null : Math.round(middle * 1_000);
}

export class Meter {
  #bytes = 0;
  #frames = 0;
  #painted: number[] = [];
  #encoded: number[] = [];
  #sent: number[] = [];
  #shown: number[] = [];

  received(bytes: number): void {
    this.#bytes += bytes;
  }

  /**
   * A frame was painted at `now` of the page's clock, which the appliance's is ahead of by `offset`; null
   * where one of both is not known.
   */
  painted(now: number, times: FrameTimes | null, offset: number | null): void {
    this.#frames++;
    if (times === null || offset === null) {
      return;
    }
    this.#painted.push(now + offset - times.captured);
    this.#encoded.push(times.encodeEnd - times.captured);
    this.#sent.push(times.sent - times.encodeEnd);
    this.#shown.push(now + offset - times.sent);
  }

  /** What happened in the last `seconds`, and the latencies one by one; counting begins anew. */
  take(seconds: number): { reading: Reading; latencies: readonly number[] } {
    const latencies = this.#painted;
    const reading = {
      fps: Math.round(this.#frames / seconds),
      kbps: Math.round((this.#bytes * 8) / 1_000 / seconds),
      captureToPaintMs: medianMs(latencies),
      encodedMs: medianMs(this.#encoded),
      sentMs: medianMs(this.#sent),
      shownMs: medianMs(this.#shown),
    };
    this.#bytes = this.#frames = 0;
    this.#painted = [];
    this.#encoded = [];
    this.#sent = [];
    this.#shown = [];
    return { reading, latencies };
  }
}
