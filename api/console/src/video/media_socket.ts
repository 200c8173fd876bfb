/**
 * The media socket, `/api/media/ws` (contract websocket.md 2): kept open while it is wanted, watched by
 * pings, reopened with backoff. Owns the WebSocket, its timers and the appliance's clock; hands frames
 * through and decodes none.
 */

import { retryDelayMs } from "../net/backoff";
import type { Bytes } from "../net/wire";
import { ClockOffset } from "./clock_offset";
import {
  decodeMessage,
  encodeClockQuestion,
  encodeKeyFrameWanted,
  encodePainted,
  encodePing,
  encodeStart,
  type FrameTimes,
  type Offer,
} from "./media_wire";

const PING_PERIOD_MS = 1_000;

/** The reference's own figure (websocket.md 2.3). */
const UNANSWERED_LIMIT = 5;

/** A handshake that takes longer will not come. */
const OPENING_DEADLINE_MS = 10_000;

export interface EncodedFrame {
  readonly key: boolean;
  readonly data: Uint8Array<ArrayBuffer>;
  /** null for a frame that is older than this connection, or from an appliance that tells no times. */
  readonly times: FrameTimes | null;
}

export interface MediaSocketOptions {
  readonly url: string;
  /** The page's clock, in seconds. */
  readonly now: () => number;
  /** What can be started; comes anew with each connection. */
  readonly onOffer: (formats: Offer) => void;
  readonly onFrame: (frame: EncodedFrame) => void;
  /** The connection was lost, or there never was one; `delivered` tells whether any frame came. */
  readonly onLost: (delivered: boolean) => void;
}

export class MediaSocket {
  readonly #options: MediaSocketOptions;
  #clock = new ClockOffset();
  #socket: WebSocket | null = null;
  #attempt = 0;
  #unanswered = 0;
  #delivered = false;
  #times: FrameTimes | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;

  constructor(options: MediaSocketOptions) {
    this.#options = options;
  }

  /** See `ClockOffset.offset`. */
  get clockOffset(): number | null {
    return this.#clock.offset;
  }

  open(): void {
    this.close();
    this.#delivered = false;
    this.#times = null;
    this.#clock = new ClockOffset();
    const socket = new WebSocket(this.#options.url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened();
    socket.onmessage = (message: MessageEvent<string | ArrayBuffer>) => this.#received(message.data);
    socket.onclose = () => this.#lost();
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lost(), OPENING_DEADLINE_MS);
  }

  /** Close and stay closed until `open`. */
  close(): void {
    clearTimeout(this.#timer);
    clearInterval(this.#pingTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
    }
  }

  /** Have the frames of a format that was offered. */
  start(format: string): void {
    this.#send(encodeStart(format));
  }

  wantKeyFrame(): void {
    this.#send(encodeKeyFrameWanted());
  }

  /** Tell the appliance how old the last pictures were when they were painted, in seconds. */
  report(latencies: readonly number[]): void {
    if (latencies.length > 0) {
      this.#send(encodePainted(latencies));
    }
  }

  #send(message: string | Bytes): void {
    if (this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(message);
    }
  }

  #opened(): void {
    clearTimeout(this.#timer);
    this.#unanswered = 0;
    this.#pingTimer = setInterval(() => this.#ping(), PING_PERIOD_MS);
    this.#ping();
  }

  #ping(): void {
    if (this.#unanswered >= UNANSWERED_LIMIT) {
      this.#lost();
      return;
    }
    this.#unanswered++;
    this.#send(encodePing());
    this.#send(encodeClockQuestion(this.#options.now()));
  }

  #received(data: string | ArrayBuffer): void {
    const message = decodeMessage(data);
    switch (message.kind) {
      case "offer":
        this.#options.onOffer(message.formats);
        break;
      case "times":
        this.#times = message.times;
        break;
      case "frame": {
        // Not at `onopen`: a server that accepts and closes at once must still be met with a growing delay.
        this.#attempt = 0;
        this.#delivered = true;
        const times = this.#times;
        this.#times = null;
        this.#options.onFrame({ key: message.key, data: message.data, times });
        break;
      }
      case "clock":
        this.#clock.add(message.asked, message.received, message.answered, this.#options.now());
        break;
      case "pong":
        this.#unanswered = 0;
        break;
      case "unknown":
        break;
    }
  }

  #lost(): void {
    this.close();
    this.#timer = setTimeout(() => this.open(), retryDelayMs(this.#attempt++, Math.random()));
    // Last: whoever hears of it may close for good.
    this.#options.onLost(this.#delivered);
  }
}
