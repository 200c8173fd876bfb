/**
 * Records what is seen into a file of the browser. The picture is drawn onto a canvas of its own, so that its
 * way here does not matter. A change of its size ends the file and begins another: players know only one.
 */

import { effect, type ReadonlySignal, signal } from "@preact/signals";
import type { Size } from "../hid/geometry";
import type { Session } from "../session";
import { duration } from "../text/units";
import { saveAs, stamp } from "../ui/save";

const FRAMES_PER_SECOND = 30;
/** What is lost at most if the browser itself dies. */
const PIECE_MS = 1_000;
/** How often a browser still calls a page that is not seen. */
const HIDDEN_PERIOD_MS = 1_000;
const TYPES = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm"];

/** A live copy of the picture, also while the page itself is not seen. */
export class Copy {
  readonly canvas = document.createElement("canvas");
  readonly #session: Session;
  readonly #uncopy: () => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #request = 0;

  constructor(session: Session, size: Size) {
    this.#session = session;
    this.canvas.width = size.width;
    this.canvas.height = size.height;
    this.#uncopy = session.video.copy(() => this.#drawHidden());
    // Nobody tells of the pictures of MJPEG.
    this.#timer = setInterval(() => this.#drawHidden(), HIDDEN_PERIOD_MS);
    this.#drawSeen();
  }

  stop(): void {
    cancelAnimationFrame(this.#request);
    clearInterval(this.#timer);
    this.#uncopy();
  }

  #drawSeen(): void {
    this.#draw();
    this.#request = requestAnimationFrame(() => this.#drawSeen());
  }

  #drawHidden(): void {
    if (document.visibilityState === "hidden") {
      this.#draw();
    }
  }

  #draw(): void {
    const shown = this.#session.video.shown;
    if (shown !== null) {
      this.canvas.getContext("2d")?.drawImage(shown, 0, 0, this.canvas.width, this.canvas.height);
    }
  }
}

export function canRecord(): boolean {
  return typeof MediaRecorder === "function" && TYPES.some((type) => MediaRecorder.isTypeSupported(type));
}

interface Running {
  readonly size: Size;
  readonly copy: Copy;
  readonly recorder: MediaRecorder;
}

export class Recording {
  readonly #session: Session;
  readonly #since = signal<number | null>(null);
  #running: Running | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(session: Session) {
    this.#session = session;
    effect(() => {
      const size = session.video.size.value;
      const running = this.#running;
      // Without a picture the last one stays: it comes back, or somebody ends the recording.
      if (running !== null && size !== null && !same(size, running.size)) {
        // In this order, so that somebody wants the picture all the time.
        this.#begin(size);
        this.#end(running);
      }
    });
  }

  /** When it began, by the page's clock in ms; null while nothing is recorded. */
  get since(): ReadonlySignal<number | null> {
    return this.#since;
  }

  /** Begin; false if there is no picture. */
  start(): boolean {
    const size = this.#session.video.size.peek();
    if (size === null) {
      return false;
    }
    this.#since.value = performance.now();
    this.#begin(size);
    this.#timer = setInterval(() => this.#tell(), PIECE_MS);
    this.#tell();
    return true;
  }

  /** End, and give the file to the browser. */
  stop(): void {
    clearInterval(this.#timer);
    this.#since.value = null;
    if (this.#running !== null) {
      this.#end(this.#running);
      this.#running = null;
    }
    this.#session.activities.end("recording");
  }

  #begin(size: Size): void {
    const copy = new Copy(this.#session, size);
    const type = TYPES.find((known) => MediaRecorder.isTypeSupported(known)) ?? "";
    const recorder = new MediaRecorder(copy.canvas.captureStream(FRAMES_PER_SECOND), { mimeType: type });
    const pieces: Blob[] = [];
    const name = `screen-${stamp()}.webm`;
    recorder.ondataavailable = (event) => pieces.push(event.data);
    recorder.onstop = () => saveAs(new Blob(pieces, { type: "video/webm" }), name);
    recorder.start(PIECE_MS);
    this.#running = { size, copy, recorder };
  }

  #end({ copy, recorder }: Running): void {
    copy.stop();
    recorder.stop();
  }

  #tell(): void {
    const since = this.#since.peek();
    if (since !== null) {
      const words = this.#session.words.video;
      this.#session.activities.show({
        id: "recording",
        label: words.recordingFor(duration((performance.now() - since) / 1_000)),
        share: null,
        panel: "video",
        keepsPage: true,
      });
    }
  }
}

function same(a: Size, b: Size): boolean {
  return a.width === b.width && a.height === b.height;
}

export function makeRecording(session: Session): Recording {
  return new Recording(session);
}
