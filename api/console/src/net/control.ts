/**
 * The control socket, `/api/ws` (contract websocket.md 1): kept open, watched by pings, reopened with backoff.
 * Owns the WebSocket and its timers; hands events and bytes through and interprets neither.
 */

import { type ReadonlySignal, signal } from "@preact/signals";
import { retryDelayMs } from "./backoff";
import { type Bytes, encodePing, isPong } from "./wire";

const PING_PERIOD_MS = 1_000;

/** The reference's own figure (websocket.md 1.6): a busy network may swallow seconds, not a quarter minute. */
const UNANSWERED_LIMIT = 15;

/** A handshake that takes longer will not come; the browser itself would wait for minutes. */
const OPENING_DEADLINE_MS = 10_000;

export type LinkStatus =
  | { readonly phase: "connecting" }
  | { readonly phase: "online" }
  | { readonly phase: "waiting"; readonly retryAtMs: number };

export interface ControlOptions {
  readonly url: string;
  /** Whether the session is good; a rejection means that the appliance did not answer. */
  readonly isLoggedIn: () => Promise<boolean>;
  readonly onLoggedOut: () => void;
  readonly onOpened: () => void;
  readonly onClosed: () => void;
  readonly onEvent: (type: string, event: Record<string, unknown>) => void;
}

export class ControlSocket {
  readonly #options: ControlOptions;
  readonly #status = signal<LinkStatus>({ phase: "connecting" });
  #socket: WebSocket | null = null;
  #attempt = 0;
  #unanswered = 0;
  /** Counts the tries to connect, so that a late answer of an abandoned one is recognised. */
  #try = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #openingTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  get status(): ReadonlySignal<LinkStatus> {
    return this.#status;
  }

  get online(): boolean {
    return this.#status.peek().phase === "online";
  }

  /** Bytes handed to `send` that the network has not taken yet. */
  get backlogBytes(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Connect now, whatever it was doing before. */
  async connect(): Promise<void> {
    this.close();
    const mine = ++this.#try;
    this.#status.value = { phase: "connecting" };
    let loggedIn: boolean;
    try {
      loggedIn = await this.#options.isLoggedIn();
    } catch {
      if (mine === this.#try) {
        this.#retryLater();
      }
      return;
    }
    if (mine !== this.#try) {
      return;
    }
    if (loggedIn) {
      this.#open();
    } else {
      this.#options.onLoggedOut();
    }
  }

  /** Connect now if it is waiting for its next try; no effect otherwise. */
  hurry(): void {
    if (this.#status.peek().phase === "waiting") {
      this.#attempt = 0;
      void this.connect();
    }
  }

  /** Close and stay closed until `connect`. */
  close(): void {
    this.#try++;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#openingTimer);
    clearInterval(this.#pingTimer);
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close();
      if (this.online) {
        this.#status.value = { phase: "connecting" };
        this.#options.onClosed();
      }
    }
  }

  /** Send if the socket is open; what cannot be sent is of no use later and is dropped. */
  send(bytes: Bytes): void {
    if (this.online) {
      this.#socket?.send(bytes);
    }
  }

  #open(): void {
    const socket = new WebSocket(this.#options.url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#opened();
    socket.onmessage = (message: MessageEvent<string | ArrayBuffer>) => this.#received(message.data);
    socket.onclose = () => this.#lost();
    this.#socket = socket;
    this.#openingTimer = setTimeout(() => this.#lost(), OPENING_DEADLINE_MS);
  }

  #opened(): void {
    clearTimeout(this.#openingTimer);
    this.#unanswered = 0;
    this.#pingTimer = setInterval(() => this.#ping(), PING_PERIOD_MS);
    this.#status.value = { phase: "online" };
    this.#options.onOpened();
  }

  #ping(): void {
    if (this.#unanswered >= UNANSWERED_LIMIT) {
      this.#lost();
      return;
    }
    this.#unanswered++;
    this.send(encodePing());
  }

  #received(data: string | ArrayBuffer): void {
    // Not at `onopen`: a server that accepts and closes at once must still be met with a growing delay.
    this.#attempt = 0;
    if (typeof data !== "string") {
      if (isPong(data)) {
        this.#unanswered = 0;
      }
      return;
    }
    let message: { event_type?: unknown; event?: unknown } | null;
    try {
      message = JSON.parse(data) as typeof message;
    } catch {
      console.warn("Expected JSON from the control socket, got", data);
      return;
    }
    const type = message?.event_type;
    const event = message?.event;
    if (typeof type === "string" && typeof event === "object" && event !== null) {
      this.#options.onEvent(type, event as Record<string, unknown>);
    }
  }

  #lost(): void {
    this.close();
    this.#retryLater();
  }

  #retryLater(): void {
    const delay = retryDelayMs(this.#attempt++, Math.random());
    this.#status.value = { phase: "waiting", retryAtMs: Date.now() + delay };
    this.#retryTimer = setTimeout(() => void this.connect(), delay);
  }
}
