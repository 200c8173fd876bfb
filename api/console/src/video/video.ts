/**
 * The live picture, by the best way there is: H.264 or JPEG over the media socket, painted on a canvas, or
 * MJPEG in an image. Runs while the streamer does. Owns the choice of the way; each way is a module of its
 * own.
 */

import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Size } from "../hid/geometry";
import { socketEndpoint } from "../net/urls";
import {
  canDecode,
  type Decoder,
  type DecoderEvents,
  H264Decoder,
  hasWebCodecs,
  JpegDecoder,
} from "./decoders";
import { MediaSocket } from "./media_socket";
import type { Offer } from "./media_wire";
import { Meter, type Reading } from "./meter";
import { type MjpegOptions, MjpegStream } from "./mjpeg";
import { Painter } from "./painter";
import {
  type Choice,
  chooseTransport,
  codecOf,
  DECODER_FAILURES_LIMIT,
  SOCKET_FAILURES_LIMIT,
  type Transport,
} from "./transport";
import { wish } from "./view";

const METER_PERIOD_MS = 1_000;
/** A look at another page is no reason to begin anew. */
const HIDDEN_REST_MS = 10_000;

/** The parts of the page that pictures are shown in. */
export interface Stage {
  readonly image: HTMLImageElement;
  readonly canvas: HTMLCanvasElement;
}

export class Video {
  readonly #mjpeg: MjpegStream;
  readonly #socket: MediaSocket;
  readonly #painter: Painter;
  readonly #meter = new Meter();
  readonly #options: MjpegOptions;
  readonly #choice = signal<Choice | null>(null);
  readonly #reading = signal<Reading | null>(null);
  #stage: Stage | null = null;
  #detachMjpeg: (() => void) | null = null;
  /** Who shows the picture elsewhere, and wants to know of each. */
  readonly #copies = new Set<() => void>();
  /** Whether nobody has seen the page for a while. */
  #resting = false;
  #decoder: Decoder | null = null;
  #running = false;
  #h264Failures = 0;
  #socketFailures = 0;
  /** Counts offers and losses, so that an answer that comes late is recognised. */
  #turn = 0;

  constructor(options: MjpegOptions) {
    this.#options = options;
    this.#mjpeg = new MjpegStream(options);
    this.#painter = new Painter({
      nextFrame: (callback) => requestAnimationFrame(callback),
      atOnce: () => isHidden() && this.#copies.size > 0,
      onPainted: (picture) => {
        this.#copies.forEach((copy) => copy());
        if (this.transport.peek() === "h264") {
          this.#h264Failures = 0;
        }
        this.#meter.painted(now(), picture.times, this.#socket.clockOffset);
      },
    });
    this.#socket = new MediaSocket({
      url: socketEndpoint(options.base, "api/media/ws"),
      now,
      onOffer: (offer) => void this.#offered(offer),
      onFrame: (frame) => {
        this.#socketFailures = 0;
        this.#meter.received(frame.data.byteLength);
        this.#decoder?.push(frame);
      },
      onLost: (delivered) => this.#lost(delivered),
    });
  }

  /** The way that the picture comes by; null while it is not known. */
  readonly transport: ReadonlySignal<Transport | null> = computed(
    () => this.#choice.value?.transport ?? null,
  );

  /** The way, and why it is not a better one. */
  get choice(): ReadonlySignal<Choice | null> {
    return this.#choice;
  }

  /** Whether a picture is there. */
  readonly loaded: ReadonlySignal<boolean> = computed(() =>
    this.transport.value === "mjpeg" ? this.#mjpeg.loaded.value : this.#painter.size.value !== null,
  );

  /** The picture's size in pixels; null without one. */
  readonly size: ReadonlySignal<Size | null> = computed(() =>
    this.transport.value === "mjpeg" ? this.#mjpeg.size.value : this.#painter.size.value,
  );

  /**
   * What the last second was like; of MJPEG no more than the frame rate is known, and that by the appliance.
   */
  readonly reading: ReadonlySignal<Reading | null> = computed(() => {
    if (this.transport.value !== "mjpeg") {
      return this.#reading.value;
    }
    const client = this.#mjpeg.client;
    return client === null
      ? null
      : { fps: client.fps, kbps: 0, captureToPaintMs: null, encodedMs: null, sentMs: null, shownMs: null };
  });

  /** Show the picture until the returned function is called. */
  attach(stage: Stage): () => void {
    this.#stage = stage;
    this.#painter.canvas = stage.canvas;
    const timer = setInterval(() => this.#measure(), METER_PERIOD_MS);
    const unsubscribe = this.#options.streamer.subscribe(() => this.#follow());
    let wished = wish.peek();
    const unwish = wish.subscribe((now) => {
      if (now !== wished) {
        wished = now;
        this.again();
      }
    });
    let rest: ReturnType<typeof setTimeout> | undefined;
    const look = (): void => {
      clearTimeout(rest);
      if (isHidden()) {
        rest = setTimeout(() => this.#rest(), HIDDEN_REST_MS);
        return;
      }
      this.#resting = false;
      this.#follow();
      if (this.#choice.peek()?.hindrance === "socket_failed") {
        // Somebody looks at it again: the network may be another one.
        this.again();
      }
    };
    document.addEventListener("visibilitychange", look);
    return () => {
      clearInterval(timer);
      unsubscribe();
      unwish();
      document.removeEventListener("visibilitychange", look);
      clearTimeout(rest);
      this.#run(false);
      this.#painter.canvas = null;
      this.#stage = null;
    };
  }

  /** Choose the way anew: somebody wants another one, or what failed may work by now. */
  again(): void {
    if (this.#running) {
      this.#stop();
      this.#h264Failures = 0;
      this.#socketFailures = 0;
      this.#socket.open();
    }
  }

  /**
   * Keep the picture coming while the page is not seen, and call back with each one that is painted, until the
   * returned function is called.
   */
  copy(onPainted: () => void): () => void {
    this.#copies.add(onPainted);
    return () => {
      this.#copies.delete(onPainted);
      if (isHidden()) {
        this.#rest();
      }
    };
  }

  /** What shows the picture now; null without one. */
  get shown(): HTMLImageElement | HTMLCanvasElement | null {
    if (this.#stage === null || !this.loaded.peek()) {
      return null;
    }
    return this.transport.peek() === "mjpeg" ? this.#stage.image : this.#stage.canvas;
  }

  /** Have no picture that nobody sees: it costs the appliance, the network and this computer. */
  #rest(): void {
    if (this.#copies.size === 0) {
      this.#resting = true;
      this.#follow();
    }
  }

  /** Start or stop with the streamer. */
  #follow(): void {
    this.#run(this.#options.streamer.peek()?.streamer != null && !this.#resting);
  }

  #run(running: boolean): void {
    if (running === this.#running) {
      return;
    }
    this.#running = running;
    if (running) {
      // What failed before may work now: the network may be another one.
      this.#socketFailures = 0;
      this.#socket.open();
    } else {
      this.#stop();
    }
  }

  #stop(): void {
    this.#turn++;
    this.#socket.close();
    this.#endDecoder();
    this.#painter.clear();
    this.#choice.value = null;
    this.#reading.value = null;
    this.#detachMjpeg?.();
    this.#detachMjpeg = null;
  }

  async #offered(offer: Offer): Promise<void> {
    const mine = ++this.#turn;
    const codec = codecOf(offer);
    const webCodecs = hasWebCodecs();
    const h264 = codec !== null && webCodecs ? await canDecode(codec) : null;
    if (mine !== this.#turn) {
      return;
    }
    const able = { webCodecs, h264, h264Failures: this.#h264Failures };
    const choice = chooseTransport(offer, able, wish.peek());
    this.#endDecoder();
    if (choice.transport === "mjpeg") {
      this.#startMjpeg(choice);
      return;
    }
    this.#choice.value = choice;
    const events: DecoderEvents = {
      onPicture: (picture) => this.#painter.show(picture),
      onKeyFrameNeeded: () => this.#socket.wantKeyFrame(),
      onError: (error) => this.#decoderFailed(error),
    };
    this.#decoder =
      choice.transport === "h264" && codec !== null
        ? new H264Decoder(codec, events)
        : new JpegDecoder(events);
    this.#socket.start(choice.transport);
  }

  #decoderFailed(error: unknown): void {
    console.warn("A picture could not be decoded:", error);
    if (this.transport.peek() === "h264" && ++this.#h264Failures === DECODER_FAILURES_LIMIT) {
      // A new connection brings the offer again, and so another choice.
      this.#socket.open();
    }
  }

  #lost(delivered: boolean): void {
    this.#turn++;
    this.#endDecoder();
    this.#socketFailures = delivered ? 0 : this.#socketFailures + 1;
    if (this.#socketFailures === SOCKET_FAILURES_LIMIT) {
      this.#startMjpeg({ transport: "mjpeg", hindrance: "socket_failed" });
    }
  }

  #startMjpeg(choice: Choice): void {
    this.#socket.close();
    this.#painter.clear();
    this.#choice.value = choice;
    if (this.#stage !== null && this.#detachMjpeg === null) {
      this.#detachMjpeg = this.#mjpeg.attach(this.#stage.image);
    }
  }

  #endDecoder(): void {
    this.#decoder?.close();
    this.#decoder = null;
  }

  #measure(): void {
    const { reading, latencies } = this.#meter.take(METER_PERIOD_MS / 1_000);
    this.#reading.value = this.#painter.size.peek() === null ? null : reading;
    this.#socket.report(latencies);
  }
}

function isHidden(): boolean {
  return document.visibilityState === "hidden";
}

function now(): number {
  return performance.now() / 1_000;
}
