/** What the user may do on this appliance (docs/security.md, "Rights"). The appliance itself refuses the rest. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { call } from "../net/api";

export type Capability = "view" | "type" | "point" | "power" | "media" | "gpio" | "switch" | "admin";

interface Granted {
  readonly user: string;
  readonly capabilities: readonly string[];
  /** By what it is somebody else, acting for the user; null if it is the user. */
  readonly grant: { readonly kind: string; readonly name: string; readonly left_s: number | null } | null;
}

export class Rights {
  readonly #granted = signal<Granted | null>(null);

  get granted(): ReadonlySignal<Granted | null> {
    return this.#granted;
  }

  /** Whether to offer it; until it is known, yes. Read at rendering. */
  may(capability: Capability): boolean {
    return this.#granted.value?.capabilities.includes(capability) ?? true;
  }

  /** Whether it is the user, and nobody by a share link of theirs; until it is known, yes. Read at rendering. */
  get inPerson(): boolean {
    return (this.#granted.value?.grant ?? null) === null;
  }

  /** Ask the appliance. Who loses a right loses the sockets, so that it is asked again with the next one. */
  async load(base: URL): Promise<void> {
    this.#granted.value = await call<Granted>("GET", base, "api/auth/rights");
  }
}
