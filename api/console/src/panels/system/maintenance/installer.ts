/** An update on its way from this page to the appliance; it goes on while other panels are open. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { postWithProgress } from "../../../net/progress";
import type { Session } from "../../../session";

const PATH = "api/update/install";
const ACTIVITY = "update";

export class Installer {
  readonly #session: Session;
  readonly #running = signal<AbortController | null>(null);

  constructor(session: Session) {
    this.#session = session;
  }

  /** Whether one that this page began is under way. */
  get isRunning(): boolean {
    return this.#running.value !== null;
  }

  get running(): ReadonlySignal<AbortController | null> {
    return this.#running;
  }

  /** Install a file of this machine, or what is at an address; how it goes on is in the state `update`. */
  async install(source: File | string): Promise<void> {
    if (this.#running.peek() !== null) {
      return;
    }
    const { activities, words } = this.#session;
    const cancel = new AbortController();
    this.#running.value = cancel;
    // A reload in the middle of the upload ends it.
    activities.show({
      id: ACTIVITY,
      label: words.maintenance.installing,
      share: null,
      panel: "system",
      keepsPage: true,
    });
    const query = typeof source === "string" ? { url: source } : {};
    const body = typeof source === "string" ? null : source;
    await this.#session.attempt(words.maintenance.install, async () => {
      try {
        await postWithProgress(this.#session.base, PATH, query, cancel.signal, body);
      } catch (error) {
        // Whoever cancels knows why it ended.
        if (!cancel.signal.aborted) {
          throw error;
        }
      }
    });
    activities.end(ACTIVITY);
    this.#running.value = null;
  }

  cancel(): void {
    this.#running.peek()?.abort();
  }
}

export function makeInstaller(session: Session): Installer {
  return new Installer(session);
}
