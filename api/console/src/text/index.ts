/** The catalogue in use. Components read it at every rendering, so that the language may change at any time. */

import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { preference } from "../state/preferences";
import { type Catalogue, en } from "./en";
import { bestLanguage, CATALOGUES, isLanguage, type Language } from "./languages";

const catalogue = signal<Catalogue>(en);

export const text: ReadonlySignal<Catalogue> = catalogue;

/** The reader's choice; null follows the browser. */
export const language = preference<Language | null>("language", null, (value) =>
  value === null || isLanguage(value) ? value : undefined,
);

/** Load and follow the language; resolves when the first one is there, so that no page shows two. */
export function followLanguage(): Promise<void> {
  return new Promise((resolve) => {
    effect(() => {
      const wanted = language.value ?? bestLanguage(navigator.languages);
      CATALOGUES[wanted]()
        .then(
          (loaded) => {
            // A later choice may have been loaded sooner.
            if (wanted === (language.peek() ?? bestLanguage(navigator.languages))) {
              catalogue.value = loaded;
              document.documentElement.lang = wanted;
            }
          },
          // English is always there; the network may be back at the next choice.
          (error: unknown) => console.warn("The language could not be loaded:", error),
        )
        .finally(resolve);
    });
  });
}
