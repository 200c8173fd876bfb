/**
 * One open console: joins the control socket, the state, the input devices and the video stream, and carries
 * out what the buttons ask for. Knows no markup.
 */

import { computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { Keyboard } from "./hid/keyboard";
import { isApple, isWindows, soon } from "./hid/keyboard_dom";
import { Mouse } from "./hid/mouse";
import { HidOutput } from "./hid/output";
import { ApiError, getBlob, isLoggedIn, post } from "./net/api";
import { ControlSocket } from "./net/control";
import { baseOf, endpoint, loginUrl, type Query, socketEndpoint } from "./net/urls";
import { Activities } from "./state/activities";
import { Appliance } from "./state/appliance";
import { Rights } from "./state/rights";
import { text } from "./text";
import type { Catalogue } from "./text/en";
import { actionFailure } from "./text/failures";
import { saveAs, stamp } from "./ui/save";
import { engineQuery } from "./video/mjpeg";
import { Video } from "./video/video";

/** A movement's frame is 11 bytes on the wire; with a hundred of them waiting the network lags visibly. */
const CONGESTED_BYTES = 1_024;

/** Long enough to read, short enough not to pile up. */
const NOTICE_MS = 10_000;

const SNAPSHOT_PATH = "api/streamer/snapshot";

export interface Notice {
  readonly id: number;
  readonly text: string;
}

export interface Question {
  readonly title: string;
  readonly text: string;
  readonly action: string;
  readonly answer: (yes: boolean) => void;
}

export class Session {
  readonly base: URL;
  readonly control: ControlSocket;
  readonly appliance = new Appliance();
  readonly activities = new Activities();
  readonly rights = new Rights();
  readonly hid: HidOutput;
  readonly keyboard: Keyboard;
  readonly mouse: Mouse;
  readonly video: Video;
  /** Whether the screen has the keyboard. */
  readonly captured: Signal<boolean> = signal(false);
  /** Whether the pointer is locked to the screen (relative mouse). */
  readonly caught: Signal<boolean> = signal(false);
  readonly #parts = new Map<unknown, unknown>();
  readonly #notices = signal<readonly Notice[]>([]);
  readonly #question = signal<Question | null>(null);
  #lastNotice = 0;
  #wasOnline = false;

  constructor(options: { href: string; userAgent: string; onLeaveKeyboard: () => void }) {
    this.base = baseOf(options.href);
    this.control = new ControlSocket({
      url: socketEndpoint(this.base, "api/ws", { stream: 1, farhand: 1 }),
      isLoggedIn: () => isLoggedIn(this.base),
      onLoggedOut: () => this.goToLogin(),
      onOpened: () => {
        this.#wasOnline = true;
        this.appliance.restart();
        // Without an answer the connection breaks as well, and this is asked again with the next one.
        this.rights.load(this.base).catch(() => undefined);
      },
      onClosed: () => {
        // The appliance releases everything when a session ends (websocket.md 1.8).
        this.hid.forget();
        this.keyboard.forget();
        this.mouse.forget();
      },
      onEvent: (type, event) => this.appliance.apply(type, event),
    });
    this.hid = new HidOutput((bytes) => this.control.send(bytes));
    this.keyboard = new Keyboard((name, pressed) => this.hid.do({ kind: "key", name, pressed }), {
      mac: isApple(options.userAgent),
      windows: isWindows(options.userAgent),
      soon,
      onLeave: options.onLeaveKeyboard,
    });
    this.mouse = new Mouse(
      {
        move: (x, y) => this.hid.do({ kind: "move", x, y }),
        relative: (deltas) => this.hid.do({ kind: "relative", deltas }),
        wheel: (deltas) => this.hid.do({ kind: "wheel", deltas }),
        button: (name, pressed) => this.hid.do({ kind: "button", name, pressed }),
        congested: () => this.control.backlogBytes > CONGESTED_BYTES,
      },
      (callback) => requestAnimationFrame(callback),
    );
    this.video = new Video({
      base: this.base,
      query: engineQuery(options.userAgent),
      // What was known before the connection broke says nothing about now.
      streamer: computed(() =>
        this.control.status.value.phase === "online" ? this.appliance.states.streamer.value : null,
      ),
      newKey: randomKey,
    });
  }

  /**
   * A part of the console that lives as long as the session, whichever panel is open: an upload, a recording.
   * It is made when it is first asked for; `make` is its key, so it has to be a function with a name.
   */
  part<T>(make: (session: Session) => T): T {
    if (!this.#parts.has(make)) {
      this.#parts.set(make, make(this));
    }
    return this.#parts.get(make) as T;
  }

  get notices(): ReadonlySignal<readonly Notice[]> {
    return this.#notices;
  }

  get question(): ReadonlySignal<Question | null> {
    return this.#question;
  }

  /** The words of the reader's language, for parts that are no components. */
  get words(): Catalogue {
    return text.peek();
  }

  get snapshotUrl(): string {
    return endpoint(this.base, SNAPSHOT_PATH);
  }

  /** Connect, and connect again whenever the browser has a reason to believe that it would work now. */
  start(): void {
    void this.control.connect();
    this.activities.guard(window);
    window.addEventListener("online", () => this.control.hurry());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") {
        this.control.hurry();
        this.rights.load(this.base).catch(() => undefined);
      }
    });
  }

  /** The session has ended: to the login page, which leads back here. */
  goToLogin(): void {
    this.control.close();
    // Who was never online here has followed a link, and has no session that could have ended.
    location.replace(loginUrl(this.base, location.href, this.#wasOnline));
  }

  /** Ask before doing something that cannot be undone. */
  confirm(question: Omit<Question, "answer">): Promise<boolean> {
    return new Promise((resolve) => {
      this.#question.value = {
        ...question,
        answer: (yes) => {
          this.#question.value = null;
          resolve(yes);
        },
      };
    });
  }

  notify(message: string): void {
    const notice = { id: ++this.#lastNotice, text: message };
    this.#notices.value = [...this.#notices.peek(), notice];
    setTimeout(() => this.dismiss(notice.id), NOTICE_MS);
  }

  dismiss(id: number): void {
    this.#notices.value = this.#notices.peek().filter((notice) => notice.id !== id);
  }

  /** Call a route; a failure becomes a notice that begins with `what`. */
  async act(what: string, path: string, query: Query): Promise<void> {
    await this.attempt(what, () => post(this.base, path, query));
  }

  /**
   * Do something that calls the appliance; a failure becomes a notice that begins with `what`. Returns what it
   * returned, or null if it failed.
   */
  async attempt<T>(what: string, action: () => Promise<T>): Promise<T | null> {
    try {
      return await action();
    } catch (error) {
      this.#failed(what, error);
      return null;
    }
  }

  async logOut(): Promise<void> {
    try {
      await post(this.base, "api/auth/logout");
    } catch (error) {
      if (!(error instanceof ApiError && error.needsLogin)) {
        this.#failed(text.value.login.logout, error);
        return;
      }
    }
    this.control.close();
    location.replace(endpoint(this.base, "login"));
  }

  /** The present picture as a file. */
  async saveSnapshot(): Promise<void> {
    let picture: Blob;
    try {
      picture = await getBlob(this.base, SNAPSHOT_PATH);
    } catch (error) {
      const none = error instanceof ApiError && error.status === 503;
      none ? this.notify(text.value.screen.noSnapshot) : this.#failed(text.value.screen.snapshot, error);
      return;
    }
    saveAs(picture, `screen-${stamp()}.jpg`);
  }

  #failed(what: string, error: unknown): void {
    if (error instanceof ApiError && error.needsLogin) {
      void this.#refused(what, error);
    } else {
      this.notify(actionFailure(text.value, what, error));
    }
  }

  /** A refusal means that the session has ended, or that its user may not do that. */
  async #refused(what: string, error: ApiError): Promise<void> {
    if (await isLoggedIn(this.base).catch(() => true)) {
      this.notify(actionFailure(text.value, what, error));
    } else {
      this.goToLogin();
    }
  }
}

function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
