/** The languages that there are. A further one is a folder beside `en` and a line in each of these tables. */

import { type Catalogue, en } from "./en";

/** Their own names, in the order in which they are offered. */
export const LANGUAGES = { en: "English", de: "Deutsch" } as const;

export type Language = keyof typeof LANGUAGES;

export const CATALOGUES: { readonly [Name in Language]: () => Promise<Catalogue> } = {
  en: () => Promise.resolve(en),
  // What nobody reads is not loaded.
  de: () => import("./de").then((module) => module.de),
};

export function isLanguage(value: unknown): value is Language {
  return typeof value === "string" && value in LANGUAGES;
}

/** The first of the reader's languages that there is; `wanted` are tags of RFC 5646, the best one first. */
export function bestLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const name = tag.toLowerCase().split("-")[0];
    if (isLanguage(name)) {
      return name;
    }
  }
  return "en";
}
