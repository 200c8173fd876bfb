/**
 * The MJPEG stream in an <img> (contract http.md 6): started while the streamer runs, restarted when it dies.
 * Owns the element's `src`. Browsers report only the first picture and an early failure; that a running
 * stream has ended shows only in the streamer's own list of clients, where ours is found by its key.
 */

import { type ReadonlySignal, signal } from "@preact/signals";
import type { Size } from "../hid/geometry";
import { endpoint, type Query } from "../net/urls";
import type { RunningStreamer, StreamClient, StreamerRun } from "../state/types/streamer";

const CHECK_PERIOD_MS = 1_000;

/** The streamer is polled once a second and may answer late; a stream that it misses longer is dead. */
const MISSING_CHECKS_LIMIT = 5;

/** What each browser engine needs to show a frame at once instead of when the next one comes. */
export function engineQuery(userAgent: string): Query {
  if (userAgent.includes("Chrome/")) {
    return { advance_headers: 1 };
  }
  return userAgent.includes("AppleWebKit/") ? { dual_final_frames: 1 } : {};
}

export function findClient(streamer: RunningStreamer, key: string): StreamClient | null {
  return Object.values(streamer.stream.clients_stat).find((client) => client.key === key) ?? null;
}

export interface MjpegOptions {
  readonly base: URL;
  readonly query: Query;
  /** null while nothing is known. */
  readonly streamer: ReadonlySignal<StreamerRun | null>;
  readonly newKey: () => string;
}

export class MjpegStream {
  readonly #options: MjpegOptions;
  readonly #loaded = signal(false);
  readonly #size = signal<Size | null>(null);
  #image: HTMLImageElement | null = null;
  #key: string | null = null;
  #missing = 0;

  constructor(options: MjpegOptions) {
    this.#options = options;
  }

  /** Whether the present stream has delivered a picture. */
  get loaded(): ReadonlySignal<boolean> {
    return this.#loaded;
  }

  /** The picture's size in pixels; null without one. */
  get size(): ReadonlySignal<Size | null> {
    return this.#size;
  }

  /** The streamer's own record of this stream. */
  get client(): StreamClient | null {
    const streamer = this.#options.streamer.value?.streamer;
    return streamer && this.#key !== null ? findClient(streamer, this.#key) : null;
  }

  /** Show the stream in `image` until the returned function is called. */
  attach(image: HTMLImageElement): () => void {
    const listening = new AbortController();
    const { signal } = listening;
    this.#image = image;
    image.addEventListener("load", () => this.#onLoad(), { signal });
    image.addEventListener("error", () => this.#stop(), { signal });
    const timer = setInterval(() => this.#check(), CHECK_PERIOD_MS);
    const unsubscribe = this.#options.streamer.subscribe(() => this.#follow());
    return () => {
      clearInterval(timer);
      unsubscribe();
      listening.abort();
      this.#stop();
      this.#image = null;
    };
  }

  /** Start or stop with the streamer. */
  #follow(): void {
    const running = this.#options.streamer.peek()?.streamer ?? null;
    if (running === null) {
      this.#stop();
    } else if (this.#key === null && this.#image !== null) {
      this.#start(this.#image);
    }
  }

  #start(image: HTMLImageElement): void {
    const key = this.#options.newKey();
    this.#key = key;
    this.#missing = 0;
    image.src = endpoint(this.#options.base, "streamer/stream", { key, ...this.#options.query });
  }

  #stop(): void {
    this.#key = null;
    this.#loaded.value = false;
    this.#size.value = null;
    // Without this the browser keeps the connection and goes on decoding.
    this.#image?.removeAttribute("src");
  }

  #onLoad(): void {
    this.#loaded.value = true;
    this.#measure();
  }

  /** A change of the mode gives no event either. */
  #measure(): void {
    const image = this.#image;
    const before = this.#size.peek();
    if (image !== null && image.naturalWidth > 0) {
      if (before?.width !== image.naturalWidth || before.height !== image.naturalHeight) {
        this.#size.value = { width: image.naturalWidth, height: image.naturalHeight };
      }
    }
  }

  #check(): void {
    const running = this.#options.streamer.peek()?.streamer ?? null;
    if (running !== null && this.#key !== null) {
      this.#missing = findClient(running, this.#key) === null ? this.#missing + 1 : 0;
      if (this.#missing >= MISSING_CHECKS_LIMIT) {
        this.#stop();
      }
    }
    this.#follow();
    this.#measure();
  }
}
