/** Encoded frames in, pictures out; one decoder for each format of the media socket. */

import type { EncodedFrame } from "./media_socket";
import type { FrameTimes } from "./media_wire";

export interface Picture {
  readonly image: CanvasImageSource;
  readonly width: number;
  readonly height: number;
  readonly times: FrameTimes | null;
  /** Give its memory back. */
  readonly close: () => void;
}

export interface DecoderEvents {
  readonly onPicture: (picture: Picture) => void;
  /** It cannot go on without a key frame. */
  readonly onKeyFrameNeeded: () => void;
  /** It has failed, and begins anew with the next key frame. */
  readonly onError: (error: unknown) => void;
}

export interface Decoder {
  push(frame: EncodedFrame): void;
  close(): void;
}

/** JPEG: of frames that wait for their turn only the newest is decoded. */
export class JpegDecoder implements Decoder {
  readonly #events: DecoderEvents;
  #waiting: EncodedFrame | null = null;
  #busy = false;
  #closed = false;

  constructor(events: DecoderEvents) {
    this.#events = events;
  }

  push(frame: EncodedFrame): void {
    this.#waiting = frame;
    if (!this.#busy) {
      void this.#work();
    }
  }

  close(): void {
    this.#closed = true;
    this.#waiting = null;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let frame = this.#next(); frame !== null; frame = this.#next()) {
      try {
        const image = await createImageBitmap(new Blob([frame.data], { type: "image/jpeg" }));
        this.#deliver(image, frame.times);
      } catch (error) {
        this.#events.onError(error);
      }
    }
    this.#busy = false;
  }

  #next(): EncodedFrame | null {
    const frame = this.#waiting;
    this.#waiting = null;
    return frame;
  }

  #deliver(image: ImageBitmap, times: FrameTimes | null): void {
    if (this.#closed) {
      image.close();
      return;
    }
    const { width, height } = image;
    this.#events.onPicture({ image, width, height, times, close: () => image.close() });
  }
}

/**
 * So many frames in the decoder are a third of a second at 30 frames a second: then it starts over, to be up
 * to date.
 */
const BACKLOG_LIMIT = 10;

/** H.264 by WebCodecs: Annex B with the parameter sets in front of each key frame, hence no description. */
export class H264Decoder implements Decoder {
  readonly #events: DecoderEvents;
  readonly #config: VideoDecoderConfig;
  readonly #times = new Map<number, FrameTimes | null>();
  #decoder: VideoDecoder | null = null;
  #number = 0;
  #decodable = false;

  constructor(codec: string, events: DecoderEvents) {
    this.#events = events;
    this.#config = h264Config(codec);
  }

  push(frame: EncodedFrame): void {
    if (this.#decoder !== null && this.#decoder.decodeQueueSize > BACKLOG_LIMIT) {
      this.#failed(new Error("the decoder cannot keep up"));
    }
    if (!frame.key && !this.#decodable) {
      return;
    }
    try {
      this.#decoder ??= this.#configured();
      // The time stamp is no time: it is what the decoder hands through, and finds the frame's times again.
      const timestamp = ++this.#number;
      this.#times.set(timestamp, frame.times);
      this.#decoder.decode(
        new EncodedVideoChunk({ type: frame.key ? "key" : "delta", timestamp, data: frame.data }),
      );
      this.#decodable = true;
    } catch (error) {
      this.#failed(error);
    }
  }

  close(): void {
    this.#startOver();
  }

  #configured(): VideoDecoder {
    const decoder = new VideoDecoder({
      output: (image) => this.#deliver(image),
      error: (error) => this.#failed(error),
    });
    decoder.configure(this.#config);
    return decoder;
  }

  #deliver(image: VideoFrame): void {
    const times = this.#times.get(image.timestamp) ?? null;
    // They come out in the order in which they went in: whatever is older was dropped.
    for (const timestamp of this.#times.keys()) {
      if (timestamp <= image.timestamp) {
        this.#times.delete(timestamp);
      }
    }
    const { displayWidth: width, displayHeight: height } = image;
    this.#events.onPicture({ image, width, height, times, close: () => image.close() });
  }

  #failed(error: unknown): void {
    this.#startOver();
    this.#events.onError(error);
    this.#events.onKeyFrameNeeded();
  }

  #startOver(): void {
    const decoder = this.#decoder;
    this.#decoder = null;
    this.#decodable = false;
    this.#times.clear();
    if (decoder !== null && decoder.state !== "closed") {
      decoder.close();
    }
  }
}

function h264Config(codec: string): VideoDecoderConfig {
  return { codec, optimizeForLatency: true };
}

/** Whether this browser has WebCodecs at all, which it has in secure contexts only. */
export function hasWebCodecs(): boolean {
  return typeof VideoDecoder === "function" && typeof EncodedVideoChunk === "function";
}

/** Whether it decodes `codec`. */
export async function canDecode(codec: string): Promise<boolean> {
  try {
    return (await VideoDecoder.isConfigSupported(h264Config(codec))).supported === true;
  } catch {
    return false;
  }
}
