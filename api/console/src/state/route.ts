/**
 * Where in the console one is: the panel that is open and the place in it, kept in the address (`#/drives`,
 * `#/system/log`), so that links, the browser's history and a login in between lead there.
 */

import { type ReadonlySignal, signal } from "@preact/signals";

export interface Route {
  /** "" while no panel is open. */
  readonly panel: string;
  /** What follows the panel's name; "" for its first page. */
  readonly page: string;
}

export function routeOf(hash: string): Route {
  const [panel = "", page = ""] = hash.replace(/^#?\/?/, "").split("/");
  return { panel, page };
}

export function hashOf({ panel, page }: Route): string {
  return panel === "" ? "#/" : page === "" ? `#/${panel}` : `#/${panel}/${page}`;
}

const current = signal<Route>({ panel: "", page: "" });

export const route: ReadonlySignal<Route> = current;

/** Follow the address from now on. */
export function followAddress(): void {
  const read = (): void => {
    current.value = routeOf(location.hash);
  };
  window.addEventListener("hashchange", read);
  read();
}

/** Open a panel, or close it with "". */
export function go(panel: string, page = ""): void {
  location.hash = hashOf({ panel, page });
}
