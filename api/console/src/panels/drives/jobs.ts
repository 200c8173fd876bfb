/** Work on images that the appliance does while this page holds the request: fetching, checking. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { postWithProgress } from "../../net/progress";
import type { Query } from "../../net/urls";
import type { Session } from "../../session";

export class Jobs {
  readonly #session: Session;
  readonly #running = signal<ReadonlyMap<string, AbortController>>(new Map());

  constructor(session: Session) {
    this.#session = session;
  }

  /** By what they do, in words. */
  get running(): ReadonlySignal<ReadonlyMap<string, AbortController>> {
    return this.#running;
  }

  /** Returns whether it came to its end. */
  async run(what: string, path: string, query: Query): Promise<boolean> {
    const control = new AbortController();
    this.#running.value = new Map(this.#running.peek()).set(what, control);
    const id = `job ${what}`;
    this.#session.activities.show({ id, label: what, share: null, panel: "drives", keepsPage: true });
    try {
      const done = await this.#session.attempt(what, async () => {
        try {
          await postWithProgress(this.#session.base, path, query, control.signal);
        } catch (error) {
          if (!control.signal.aborted) {
            throw error;
          }
        }
        return !control.signal.aborted;
      });
      return done ?? false;
    } finally {
      this.#session.activities.end(id);
      const left = new Map(this.#running.peek());
      left.delete(what);
      this.#running.value = left;
    }
  }
}

export function makeJobs(session: Session): Jobs {
  return new Jobs(session);
}
