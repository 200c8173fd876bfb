import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { H264Decoder, JpegDecoder, type Picture } from "./decoders";
import type { EncodedFrame } from "./media_socket";

function frame(number: number, key = false): EncodedFrame {
  const times = { captured: number, dequeued: 0, encodeBegin: 0, encodeEnd: 0, sent: 0 };
  return { key, data: new Uint8Array([number]), times };
}

function watch() {
  const pictures: Picture[] = [];
  const log: string[] = [];
  return {
    pictures,
    log,
    events: {
      onPicture: (picture: Picture) => pictures.push(picture),
      onKeyFrameNeeded: () => log.push("key frame"),
      onError: (error: unknown) => log.push(String(error)),
    },
  };
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("JPEG", () => {
  /** Decodings that the test ends. */
  let decodings: { number: number; end: (bitmap: object) => void; fail: (error: Error) => void }[];

  beforeEach(() => {
    decodings = [];
    vi.stubGlobal("createImageBitmap", async (blob: Blob) => {
      const number = new Uint8Array(await blob.arrayBuffer())[0] ?? 0;
      return new Promise((end, fail) => decodings.push({ number, end, fail }));
    });
  });

  it("decodes the newest of those that wait", async () => {
    const { pictures, events } = watch();
    const decoder = new JpegDecoder(events);
    for (const number of [1, 2, 3]) {
      decoder.push(frame(number));
    }
    await vi.waitFor(() => expect(decodings).toHaveLength(1));
    decodings[0]?.end({ width: 4, height: 3, close: () => undefined });
    await vi.waitFor(() => expect(decodings).toHaveLength(2));
    expect(decodings.map((each) => each.number)).toEqual([1, 3]);
    expect(pictures.map((each) => [each.width, each.height, each.times?.captured])).toEqual([[4, 3, 1]]);
  });

  it("goes on after a picture that is none", async () => {
    const { pictures, log, events } = watch();
    const decoder = new JpegDecoder(events);
    decoder.push(frame(1));
    await vi.waitFor(() => expect(decodings).toHaveLength(1));
    decodings[0]?.fail(new Error("no picture"));
    await vi.waitFor(() => expect(log).toEqual(["Error: no picture"]));
    decoder.push(frame(2));
    await vi.waitFor(() => expect(decodings).toHaveLength(2));
    decodings[1]?.end({ width: 4, height: 3, close: () => undefined });
    await vi.waitFor(() => expect(pictures).toHaveLength(1));
  });

  it("gives a picture back that comes after its end", async () => {
    const { pictures, events } = watch();
    const decoder = new JpegDecoder(events);
    decoder.push(frame(1));
    await vi.waitFor(() => expect(decodings).toHaveLength(1));
    decoder.close();
    const close = vi.fn();
    decodings[0]?.end({ width: 4, height: 3, close });
    await vi.waitFor(() => expect(close).toHaveBeenCalledOnce());
    expect(pictures).toEqual([]);
  });
});

describe("H.264", () => {
  class FakeDecoder {
    static all: FakeDecoder[] = [];
    state = "unconfigured";
    decodeQueueSize = 0;
    chunks: { type: string; timestamp: number }[] = [];
    readonly init: VideoDecoderInit;

    constructor(init: VideoDecoderInit) {
      this.init = init;
      FakeDecoder.all.push(this);
    }

    configure(config: VideoDecoderConfig): void {
      expect(config).toEqual({ codec: "avc1.42E01F", optimizeForLatency: true });
      this.state = "configured";
    }

    decode(chunk: { type: string; timestamp: number }): void {
      if (chunk.type === "delta" && this.chunks.length === 0) {
        throw new Error("expected a key frame first");
      }
      this.chunks.push(chunk);
    }

    close(): void {
      this.state = "closed";
    }

    deliver(index: number): void {
      const timestamp = this.chunks[index]?.timestamp;
      this.init.output({
        timestamp,
        displayWidth: 8,
        displayHeight: 6,
        close: () => undefined,
      } as VideoFrame);
    }
  }

  beforeEach(() => {
    FakeDecoder.all = [];
    vi.stubGlobal("VideoDecoder", FakeDecoder);
    vi.stubGlobal(
      "EncodedVideoChunk",
      class {
        constructor(init: object) {
          Object.assign(this, init);
        }
      },
    );
  });

  it("begins with a key frame, and finds each frame's times again", () => {
    const { pictures, log, events } = watch();
    const decoder = new H264Decoder("avc1.42E01F", events);
    decoder.push(frame(1));
    expect(FakeDecoder.all).toHaveLength(0);
    for (const [number, key] of [
      [2, true],
      [3, false],
      [4, false],
    ] as const) {
      decoder.push(frame(number, key));
    }
    const fake = FakeDecoder.all[0];
    expect(fake?.chunks.map((each) => each.type)).toEqual(["key", "delta", "delta"]);
    fake?.deliver(0);
    fake?.deliver(2);
    expect(pictures.map((each) => each.times?.captured)).toEqual([2, 4]);
    expect(log).toEqual([]);
  });

  it("starts over with a key frame after an error", () => {
    const { log, events } = watch();
    const decoder = new H264Decoder("avc1.42E01F", events);
    decoder.push(frame(1, true));
    FakeDecoder.all[0]?.init.error(new DOMException("broken"));
    expect(log).toEqual(["Error: broken", "key frame"]);
    decoder.push(frame(2));
    expect(FakeDecoder.all).toHaveLength(1);
    decoder.push(frame(3, true));
    expect(FakeDecoder.all).toHaveLength(2);
  });

  it("starts over when it cannot keep up", () => {
    const { log, events } = watch();
    const decoder = new H264Decoder("avc1.42E01F", events);
    decoder.push(frame(1, true));
    const fake = FakeDecoder.all[0];
    if (fake !== undefined) {
      fake.decodeQueueSize = 11;
    }
    decoder.push(frame(2));
    expect(fake?.state).toBe("closed");
    expect(log).toEqual(["Error: the decoder cannot keep up", "key frame"]);
    decoder.push(frame(3, true));
    expect(FakeDecoder.all[1]?.chunks).toHaveLength(1);
  });
});
