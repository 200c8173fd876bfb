/** Light or dark: the reader's choice, else the system's. */

import { effect } from "@preact/signals";
import { asOneOf, preference } from "../state/preferences";

export type Theme = "system" | "light" | "dark";

export const theme = preference<Theme>("theme", "system", asOneOf("system", "light", "dark"));

/** Show the page in it, now and after each change. */
export function followTheme(): void {
  effect(() => {
    document.documentElement.dataset["theme"] = theme.value;
  });
}
