/** The catalogue in use. Components read it at every rendering, so that the language may change at any time. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { type Catalogue, en } from "./en";

const catalogue = signal<Catalogue>(en);

export const text: ReadonlySignal<Catalogue> = catalogue;
