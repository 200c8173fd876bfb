import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type EncodedFrame, MediaSocket } from "./media_socket";
import type { Offer } from "./media_wire";

/** A WebSocket whose other end is the test. */
class FakeSocket {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  binaryType = "blob";
  readyState = 0;
  closed = false;
  sent: (string | number[])[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly url: string;

  constructor(url: string) {
    this.url = url;
    FakeSocket.all.push(this);
  }

  open(): void {
    this.readyState = FakeSocket.OPEN;
    this.onopen?.();
  }

  say(...bytes: number[]): void {
    this.onmessage?.({ data: new Uint8Array(bytes).buffer });
  }

  times(...numbers: number[]): void {
    const buffer = new ArrayBuffer(41);
    const view = new DataView(buffer);
    view.setUint8(0, 2);
    numbers.forEach((each, index) => view.setFloat64(1 + 8 * index, each));
    this.onmessage?.({ data: buffer });
  }

  send(message: string | Uint8Array): void {
    this.sent.push(typeof message === "string" ? message : Array.from(message));
  }

  close(): void {
    this.closed = true;
  }
}

function latest(): FakeSocket {
  const socket = FakeSocket.all.at(-1);
  if (socket === undefined) {
    throw new Error("expected a socket, got none");
  }
  return socket;
}

function link() {
  const offers: Offer[] = [];
  const frames: EncodedFrame[] = [];
  const losses: boolean[] = [];
  const socket = new MediaSocket({
    url: "ws://kvm.test/api/media/ws",
    now: () => Date.now() / 1_000,
    onOffer: (offer) => offers.push(offer),
    onFrame: (frame) => frames.push(frame),
    onLost: (delivered) => losses.push(delivered),
  });
  socket.open();
  return { socket, offers, frames, losses };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.spyOn(Math, "random").mockReturnValue(1);
  FakeSocket.all = [];
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("the media socket", () => {
  it("starts a format of the offer and hands its frames through, each with its own times", () => {
    const { socket, offers, frames } = link();
    latest().open();
    latest().onmessage?.({ data: '{"event_type":"media","event":{"video":{"jpeg":{}}}}' });
    expect(offers).toEqual([{ jpeg: {} }]);
    socket.start("jpeg");
    expect(latest().sent.filter((each) => typeof each === "string")).toEqual([
      '{"event_type":"start","event":{"type":"video","format":"jpeg","timing":true}}',
    ]);
    latest().say(1, 0, 7);
    latest().times(1, 2, 3, 4, 5);
    latest().say(1, 1, 8);
    latest().say(1, 0, 9);
    expect(frames.map((frame) => [frame.key, ...frame.data, frame.times?.captured ?? null])).toEqual([
      [false, 7, null],
      [true, 8, 1],
      [false, 9, null],
    ]);
  });

  it("asks for the clock with each ping", () => {
    const { socket } = link();
    latest().open();
    const question = latest().sent[1];
    expect(question?.[0]).toBe(2);
    const answer = new Uint8Array(25);
    answer.set(question as number[]);
    answer[0] = 3;
    const view = new DataView(answer.buffer);
    const asked = view.getFloat64(1);
    view.setFloat64(9, asked + 1_000.1);
    view.setFloat64(17, asked + 1_000.1);
    vi.advanceTimersByTime(200);
    latest().say(...answer);
    expect(socket.clockOffset).toBeCloseTo(1_000, 6);
    vi.advanceTimersByTime(3_000);
    expect(latest().sent.filter((each) => each.length === 1)).toHaveLength(4);
  });

  it("connects again after five pings without an answer, and no answer counts from before", () => {
    const { losses } = link();
    latest().open();
    vi.advanceTimersByTime(3_000);
    latest().say(255);
    vi.advanceTimersByTime(5_000);
    expect(losses).toEqual([]);
    vi.advanceTimersByTime(1_000);
    expect(losses).toEqual([false]);
    expect(FakeSocket.all).toHaveLength(1);
    vi.advanceTimersByTime(1_000);
    expect(FakeSocket.all).toHaveLength(2);
  });

  it("waits longer each time, and tells whether there were frames", () => {
    const { losses } = link();
    latest().onclose?.();
    vi.advanceTimersByTime(1_000);
    latest().onclose?.();
    vi.advanceTimersByTime(1_000);
    expect(FakeSocket.all).toHaveLength(2);
    vi.advanceTimersByTime(1_000);
    expect(FakeSocket.all).toHaveLength(3);
    latest().open();
    latest().say(1, 0, 7);
    latest().onclose?.();
    expect(losses).toEqual([false, false, true]);
    vi.advanceTimersByTime(1_000);
    expect(FakeSocket.all).toHaveLength(4);
  });

  it("stays closed", () => {
    const { socket, losses } = link();
    latest().open();
    socket.close();
    expect(latest().closed).toBe(true);
    vi.advanceTimersByTime(60_000);
    expect(FakeSocket.all).toHaveLength(1);
    expect(losses).toEqual([]);
  });
});
