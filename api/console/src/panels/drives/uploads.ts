/**
 * Files on their way to the storage, one after the other, by tus (docs/boot-media.md): what has come is never
 * sent again, whatever happens to the network, the page or the appliance. Each is hashed here as well, and the
 * appliance's own digest of what came in is compared with that.
 */

import { type ReadonlySignal, signal } from "@preact/signals";
import { DefaultHttpStack, DetailedError, type HttpResponse, type HttpStack, Upload } from "tus-js-client";
import { endpoint } from "../../net/urls";
import { retryDelayMs } from "../../net/backoff";
import type { Session } from "../../session";
import { digestOf } from "./digest";
import { Rate } from "./rate";

export type Phase = "waiting" | "sending" | "paused" | "comparing" | "done" | "failed";

export interface Transfer {
  readonly id: number;
  readonly name: string;
  readonly size: number;
  readonly sent: number;
  readonly phase: Phase;
  /** Bytes per second and seconds left; null while they are not known. */
  readonly speed: number | null;
  readonly left: number | null;
  /** Why it does not go on, in the appliance's words: "" if it does. It tries again unless it has failed. */
  readonly trouble: string;
}

/** Kept by the library under this name, so that a reload goes on where the page was. */
const ENDPOINT = "api/msd/uploads";

/** So much is in one request: a proxy that cuts long ones costs no more than this. */
const PART_BYTES = 64 << 20;

interface Running {
  readonly file: File;
  readonly upload: Upload;
  readonly rate: Rate;
  readonly digest: Promise<string>;
  readonly cancel: AbortController;
}

/** Locations of the appliance are paths from the root; below a path of a proxy they are the page's. */
class HttpBelow implements HttpStack {
  readonly #base: URL;
  readonly #stack = new DefaultHttpStack({});

  constructor(base: URL) {
    this.#base = base;
  }

  createRequest(method: string, url: string): ReturnType<HttpStack["createRequest"]> {
    const request = this.#stack.createRequest(method, url);
    const send = request.send.bind(request);
    request.send = async (body) => this.#moved(await send(body));
    return request;
  }

  getName(): string {
    return "HttpBelow";
  }

  #moved(response: HttpResponse): HttpResponse {
    const getHeader = response.getHeader.bind(response);
    response.getHeader = (name) => {
      const value = getHeader(name);
      return value !== undefined && name === "Location" ? this.#below(value) : value;
    };
    return response;
  }

  #below(location: string): string {
    const id = location.split("/").at(-1) ?? "";
    return endpoint(this.#base, `${ENDPOINT}/${id}`);
  }
}

/** What the appliance said, else what the browser did. */
function wordsOf(error: unknown): string {
  if (error instanceof DetailedError) {
    try {
      const body = JSON.parse(error.originalResponse?.getBody() ?? "") as {
        result?: { error_msg?: unknown };
      };
      if (typeof body.result?.error_msg === "string") {
        return body.result.error_msg;
      }
    } catch {
      // No envelope: an answer of a proxy, or none at all.
    }
  }
  return error instanceof Error ? error.message : String(error);
}

/** Whether another try may help: no answer, or a busy storage, or a server in trouble. */
function isPassing(error: unknown): boolean {
  const status = error instanceof DetailedError ? (error.originalResponse?.getStatus() ?? 0) : -1;
  return status === 0 || status === 409 || status === 423 || status === 429 || status >= 500;
}

export class Uploads {
  readonly #session: Session;
  readonly #list = signal<readonly Transfer[]>([]);
  readonly #running = new Map<number, Running>();
  #last = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  get list(): ReadonlySignal<readonly Transfer[]> {
    return this.#list;
  }

  /** Put files into the queue, to go to the folder `prefix` of the storage ("" is its root). */
  add(files: Iterable<File>, prefix: string): void {
    for (const file of files) {
      const id = ++this.#last;
      const transfer: Transfer = {
        id,
        name: prefix === "" ? file.name : `${prefix}/${file.name}`,
        size: file.size,
        sent: 0,
        phase: "waiting",
        speed: null,
        left: null,
        trouble: "",
      };
      this.#list.value = [...this.#list.peek(), transfer];
      this.#prepare(id, file, prefix);
    }
    this.#next();
  }

  pause(id: number): void {
    void this.#running.get(id)?.upload.abort();
    this.#change(id, { phase: "paused", speed: null, left: null });
    this.#next();
  }

  resume(id: number): void {
    this.#change(id, { phase: "waiting", trouble: "" });
    this.#next();
  }

  /** Stop it for good; what has come of it is removed from the storage. */
  async cancel(id: number): Promise<void> {
    const running = this.#running.get(id);
    const unfinished = this.#find(id)?.phase !== "done";
    this.#running.delete(id);
    this.#list.value = this.#list.peek().filter((transfer) => transfer.id !== id);
    this.#tell();
    running?.cancel.abort();
    if (running !== undefined && unfinished) {
      // It may not exist any more, or not yet: then there is nothing to remove.
      await running.upload.abort(running.upload.url !== null).catch(() => undefined);
    }
    this.#next();
  }

  #prepare(id: number, file: File, prefix: string): void {
    const rate = new Rate();
    const cancel = new AbortController();
    const upload = new Upload(file, {
      endpoint: endpoint(this.#session.base, ENDPOINT),
      httpStack: new HttpBelow(this.#session.base),
      chunkSize: PART_BYTES,
      metadata: { filename: file.name, prefix },
      removeFingerprintOnSuccess: true,
      // Its own retries are few; ours go on until somebody stops them.
      retryDelays: null,
      onAfterResponse: (_request, response) => {
        // What cannot be printed is not in the name that the appliance gives it.
        const name = response.getHeader("Farhand-Image");
        if (name) {
          this.#change(id, { name: decodeURIComponent(name) });
        }
      },
      onProgress: (sent) => {
        rate.mark(performance.now() / 1_000, sent);
        this.#change(id, { sent, speed: rate.perSecond, left: rate.left(file.size), trouble: "" });
      },
      onError: (error) => this.#failed(id, error),
      onSuccess: () => void this.#arrived(id),
    });
    // Handled where it is awaited; an upload that is cancelled before is no failure.
    const digest = digestOf(file, cancel.signal);
    digest.catch(() => undefined);
    this.#running.set(id, { file, upload, rate, digest, cancel });
  }

  #find(id: number): Transfer | undefined {
    return this.#list.peek().find((transfer) => transfer.id === id);
  }

  #change(id: number, change: Partial<Transfer>): void {
    this.#list.value = this.#list
      .peek()
      .map((transfer) => (transfer.id === id ? { ...transfer, ...change } : transfer));
    this.#tell();
  }

  /** Send the first one that waits, if none is being sent: the storage takes one at a time. */
  #next(): void {
    const list = this.#list.peek();
    if (list.some(({ phase }) => phase === "sending")) {
      return;
    }
    const transfer = list.find(({ phase }) => phase === "waiting");
    if (transfer !== undefined) {
      this.#change(transfer.id, { phase: "sending" });
      void this.#send(transfer.id);
    }
  }

  async #send(id: number): Promise<void> {
    const running = this.#running.get(id);
    if (running === undefined) {
      return;
    }
    const { upload } = running;
    if (upload.url === null) {
      // Begun by an earlier page of this browser, with the same file.
      const [previous] = await upload.findPreviousUploads();
      if (previous !== undefined) {
        upload.resumeFromPreviousUpload(previous);
      }
    }
    if (this.#find(id)?.phase === "sending") {
      upload.start();
    }
  }

  #attempts = 0;

  #failed(id: number, error: unknown): void {
    if (this.#find(id)?.phase !== "sending") {
      return;
    }
    const trouble = wordsOf(error);
    if (!isPassing(error)) {
      this.#change(id, { phase: "failed", trouble, speed: null, left: null });
      this.#next();
      return;
    }
    this.#change(id, { trouble, speed: null, left: null });
    setTimeout(
      () => {
        if (this.#find(id)?.phase === "sending") {
          this.#running.get(id)?.upload.start();
        }
      },
      retryDelayMs(this.#attempts++, Math.random()),
    );
  }

  /** All of it is there; is it the same? */
  async #arrived(id: number): Promise<void> {
    this.#attempts = 0;
    const running = this.#running.get(id);
    const transfer = this.#find(id);
    if (running === undefined || transfer === undefined) {
      return;
    }
    this.#change(id, { phase: "comparing", sent: transfer.size, speed: null, left: null });
    this.#next();
    let trouble = "";
    try {
      const [here, there] = await Promise.all([running.digest, this.#digestThere(transfer.name)]);
      if (here !== there) {
        trouble = this.#differs(here, there);
      }
    } catch (error) {
      trouble = wordsOf(error);
    }
    this.#change(id, { phase: trouble === "" ? "done" : "failed", trouble });
  }

  /** What the appliance computed while it came in; the state tells it a moment later. */
  #digestThere(name: string): Promise<string> {
    return new Promise((resolve) => {
      const stop = this.#session.appliance.states.msd.subscribe((msd) => {
        const image = msd?.storage?.images[name];
        if (image?.complete === true && typeof image.sha256 === "string") {
          resolve(image.sha256);
          queueMicrotask(() => stop());
        }
      });
    });
  }

  #differs(here: string, there: string): string {
    return this.#session.words.drives.digestDiffers(here, there);
  }

  #tell(): void {
    const list = this.#list.peek();
    const open = list.filter(
      ({ phase }) => phase === "waiting" || phase === "sending" || phase === "comparing",
    );
    if (open.length === 0) {
      this.#session.activities.end("upload");
      return;
    }
    const size = open.reduce((sum, transfer) => sum + transfer.size, 0);
    const sent = open.reduce((sum, transfer) => sum + transfer.sent, 0);
    this.#session.activities.show({
      id: "upload",
      label: this.#session.words.drives.uploading(open.length),
      share: size === 0 ? null : sent / size,
      panel: "drives",
      keepsPage: true,
    });
  }
}

export function makeUploads(session: Session): Uploads {
  return new Uploads(session);
}
