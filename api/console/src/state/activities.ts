/** What goes on in this page whichever panel is open: an upload, a recording. The status bar shows it. */

import { type ReadonlySignal, signal } from "@preact/signals";

export interface Activity {
  /** One at a time of each. */
  readonly id: string;
  readonly label: string;
  /** 0..1; null while it is not known how much there is. */
  readonly share: number | null;
  /** The panel that has more about it. */
  readonly panel: string;
  /** Whether it would be lost with the page, so that leaving it asks first. */
  readonly keepsPage: boolean;
}

export class Activities {
  readonly #list = signal<readonly Activity[]>([]);

  get list(): ReadonlySignal<readonly Activity[]> {
    return this.#list;
  }

  /** Begin or go on. */
  show(activity: Activity): void {
    const others = this.#list.peek().filter(({ id }) => id !== activity.id);
    this.#list.value = [...others, activity].sort((a, b) => a.id.localeCompare(b.id));
  }

  end(id: string): void {
    this.#list.value = this.#list.peek().filter((activity) => activity.id !== id);
  }

  /** Have the browser ask before the page is left while something would be lost with it. */
  guard(page: Window): void {
    page.addEventListener("beforeunload", (event) => {
      if (this.#list.peek().some(({ keepsPage }) => keepsPage)) {
        event.preventDefault();
      }
    });
  }
}
