/** Fills the history for as long as the page is open. */

import type { Session } from "../../session";
import { signal } from "@preact/signals";
import { History } from "./history";

export class HealthWatch {
  readonly history = new History();
  /** Counts points, for those who draw them. */
  readonly points = signal(0);

  constructor(session: Session) {
    session.appliance.states.info.subscribe((info) => {
      if (info?.health !== undefined) {
        this.#add(info.health);
      }
    });
  }

  #add(health: NonNullable<Parameters<History["add"]>[1]>): void {
    const now = Date.now() / 1_000;
    const last = this.history.times.at(-1);
    // Other parts of the information change as well; a point a second is plenty.
    if (last === undefined || now - last >= 1) {
      this.history.add(now, health);
      this.points.value++;
    }
  }
}

export function makeHealthWatch(session: Session): HealthWatch {
  return new HealthWatch(session);
}
