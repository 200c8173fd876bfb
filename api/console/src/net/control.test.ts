import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { ControlSocket } from "./control";

/** A WebSocket whose other end is the test. */
class FakeSocket {
  static all: FakeSocket[] = [];
  binaryType = "blob";
  bufferedAmount = 0;
  closed = false;
  sent: number[][] = [];
  onopen: (() => void) | null = null;
  onmessage: ((message: { data: unknown }) => void) | null = null;
  onclose: (() => void) | null = null;
  readonly url: string;

  constructor(url: string) {
    this.url = url;
    FakeSocket.all.push(this);
  }

  send(bytes: Uint8Array): void {
    this.sent.push(Array.from(bytes));
  }

  close(): void {
    this.closed = true;
  }

  pong(): void {
    this.onmessage?.({ data: new Uint8Array([255]).buffer });
  }
}

function latest(): FakeSocket {
  const socket = FakeSocket.all.at(-1);
  if (socket === undefined) {
    throw new Error("expected an open socket, got none");
  }
  return socket;
}

function link(session: () => Promise<boolean>) {
  const log: string[] = [];
  const socket = new ControlSocket({
    url: "ws://kvm.test/api/ws?stream=1",
    isLoggedIn: session,
    onLoggedOut: () => log.push("logged out"),
    onOpened: () => log.push("opened"),
    onClosed: () => log.push("closed"),
    onEvent: (type, event) => log.push(`${type} ${JSON.stringify(event)}`),
  });
  return { socket, log };
}

const good = () => Promise.resolve(true);

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

describe("the control socket", () => {
  it("hands events through and ignores what is none", async () => {
    vi.spyOn(console, "warn").mockImplementation(() => {});
    const { socket, log } = link(good);
    await socket.connect();
    latest().onopen?.();
    for (const text of [
      '{"event_type":"atx","event":{"busy":true}}',
      "garbage",
      "null",
      '{"event_type":"x"}',
    ]) {
      latest().onmessage?.({ data: text });
    }
    expect(log).toEqual(["opened", 'atx {"busy":true}']);
    expect(socket.online).toBe(true);
  });

  it("pings once a second and stays while answered", async () => {
    const { socket, log } = link(good);
    await socket.connect();
    latest().onopen?.();
    for (let second = 0; second < 60; second++) {
      await vi.advanceTimersByTimeAsync(1_000);
      latest().pong();
    }
    expect(latest().sent).toEqual(Array(60).fill([0]));
    expect(FakeSocket.all).toHaveLength(1);
    expect(log).toEqual(["opened"]);
  });

  it("reconnects after fifteen unanswered pings", async () => {
    const { socket, log } = link(good);
    await socket.connect();
    const first = latest();
    first.onopen?.();
    await vi.advanceTimersByTimeAsync(15_000);
    expect(first.closed).toBe(false);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(first.closed).toBe(true);
    expect(log).toEqual(["opened", "closed"]);
    expect(socket.status.value.phase).toBe("waiting");
    await vi.advanceTimersByTimeAsync(1_000);
    expect(FakeSocket.all).toHaveLength(2);
    latest().onopen?.();
    expect(log).toEqual(["opened", "closed", "opened"]);
  });

  it("waits longer after each failure, and from the start again after a success", async () => {
    const { socket } = link(good);
    await socket.connect();
    for (const wait of [1_000, 2_000, 4_000, 8_000, 15_000, 15_000]) {
      latest().onclose?.();
      expect(socket.status.value).toEqual({ phase: "waiting", retryAtMs: Date.now() + wait });
      await vi.advanceTimersByTimeAsync(wait);
    }
    latest().onopen?.();
    latest().onmessage?.({ data: '{"event_type":"loop","event":{}}' });
    latest().onclose?.();
    expect(socket.status.value).toEqual({ phase: "waiting", retryAtMs: Date.now() + 1_000 });
  });

  it("gives up a handshake that does not end", async () => {
    const { socket } = link(good);
    await socket.connect();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(latest().closed).toBe(true);
    expect(socket.status.value.phase).toBe("waiting");
  });

  it("asks for a login instead of trying for ever", async () => {
    const { socket, log } = link(() => Promise.resolve(false));
    await socket.connect();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(log).toEqual(["logged out"]);
    expect(FakeSocket.all).toHaveLength(0);
  });

  it("keeps trying while the appliance does not answer, and hurries when told", async () => {
    let up = false;
    const { socket } = link(() => (up ? Promise.resolve(true) : Promise.reject(new Error("down"))));
    await socket.connect();
    await vi.advanceTimersByTimeAsync(30_000);
    expect(FakeSocket.all).toHaveLength(0);
    up = true;
    socket.hurry();
    await vi.advanceTimersByTimeAsync(0);
    expect(FakeSocket.all).toHaveLength(1);
  });

  it("sends nothing while it is not online, and nothing late", async () => {
    const { socket } = link(good);
    await socket.connect();
    socket.send(new Uint8Array([1, 2]));
    latest().onopen?.();
    expect(latest().sent).toEqual([]);
    socket.send(new Uint8Array([3]));
    expect(latest().sent).toEqual([[3]]);
    socket.close();
    socket.send(new Uint8Array([4]));
    expect(latest().sent).toEqual([[3]]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeSocket.all).toHaveLength(1);
  });
});
