/** The text that is to be typed; it stays while other panels are open, and goes with the page. */

import { signal } from "@preact/signals";

export const draft = signal("");
