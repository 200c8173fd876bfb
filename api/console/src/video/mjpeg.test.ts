import { type Signal, signal } from "@preact/signals";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { StreamerRun } from "../state/types/streamer";
import { engineQuery, MjpegStream } from "./mjpeg";

/** As much of an image element as the stream touches. */
class FakeImage extends EventTarget {
  src = "";
  naturalWidth = 0;
  naturalHeight = 0;

  removeAttribute(name: string): void {
    if (name === "src") {
      this.src = "";
      this.naturalWidth = this.naturalHeight = 0;
    }
  }

  show(width: number, height: number): void {
    this.naturalWidth = width;
    this.naturalHeight = height;
    this.dispatchEvent(new Event("load"));
  }
}

function running(...keys: string[]): StreamerRun {
  const source = {
    online: true,
    resolution: { width: 1280, height: 720 },
    captured_fps: 30,
    desired_fps: 30,
  };
  const clients_stat = Object.fromEntries(keys.map((key, index) => [`id${index}`, { fps: 25, key }]));
  return { streamer: { source, stream: { clients: keys.length, clients_stat } } };
}

function bench() {
  const streamer: Signal<StreamerRun | null> = signal(null);
  let count = 0;
  const stream = new MjpegStream({
    base: new URL("http://kvm.test/rack/"),
    query: { advance_headers: 1 },
    streamer,
    newKey: () => `key${++count}`,
  });
  const image = new FakeImage();
  const detach = stream.attach(image as unknown as HTMLImageElement);
  return { streamer, stream, image, detach };
}

function address(key: string): string {
  return `http://kvm.test/rack/streamer/stream?key=${key}&advance_headers=1`;
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

describe("the MJPEG stream", () => {
  it("runs while the streamer does", () => {
    const { streamer, stream, image } = bench();
    expect(image.src).toBe("");
    streamer.value = running();
    expect(image.src).toBe(address("key1"));
    image.show(1280, 720);
    expect(stream.loaded.value).toBe(true);
    expect(stream.size.value).toEqual({ width: 1280, height: 720 });
    streamer.value = { streamer: null };
    expect(image.src).toBe("");
    expect(stream.loaded.value).toBe(false);
    streamer.value = running();
    expect(image.src).toBe(address("key2"));
  });

  it("stays while the streamer lists it, and is restarted when it does not", () => {
    const { streamer, stream, image } = bench();
    streamer.value = running();
    image.show(1280, 720);
    streamer.value = running("someone", "key1");
    vi.advanceTimersByTime(60_000);
    expect(image.src).toBe(address("key1"));
    expect(stream.client?.fps).toBe(25);
    streamer.value = running("someone");
    vi.advanceTimersByTime(4_000);
    expect(image.src).toBe(address("key1"));
    vi.advanceTimersByTime(2_000);
    expect(image.src).toBe(address("key2"));
  });

  it("tries again a moment after an error", () => {
    const { streamer, image } = bench();
    streamer.value = running();
    image.dispatchEvent(new Event("error"));
    expect(image.src).toBe("");
    vi.advanceTimersByTime(1_000);
    expect(image.src).toBe(address("key2"));
  });

  it("notices a change of the mode", () => {
    const { streamer, stream, image } = bench();
    streamer.value = running();
    image.show(1280, 720);
    image.naturalWidth = 640;
    image.naturalHeight = 480;
    vi.advanceTimersByTime(1_000);
    expect(stream.size.value).toEqual({ width: 640, height: 480 });
  });

  it("leaves nothing behind", () => {
    const { streamer, image, detach } = bench();
    streamer.value = running();
    detach();
    expect(image.src).toBe("");
    streamer.value = running();
    vi.advanceTimersByTime(10_000);
    expect(image.src).toBe("");
  });
});

it("asks for what each engine needs", () => {
  const chrome =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";
  const safari =
    "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15";
  const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
  expect([chrome, safari, firefox].map(engineQuery)).toEqual([
    { advance_headers: 1 },
    { dual_final_frames: 1 },
    {},
  ]);
});
