import { expect, it } from "vitest";
import { bestLanguage, CATALOGUES, isLanguage, LANGUAGES, type Language } from "./languages";

it.each([
  [["de-AT", "en"], "de"],
  [["fr", "DE"], "de"],
  [["fr"], "en"],
  [[], "en"],
  [["toString"], "en"],
] as const)("of %j the language is %s", (wanted, expected) => {
  expect(bestLanguage(wanted)).toBe(expected);
});

it("knows which ones there are", () => {
  expect(isLanguage("de")).toBe(true);
  expect(isLanguage("xx")).toBe(false);
  expect(isLanguage(null)).toBe(false);
});

/** Every text of a catalogue by its path; functions are called with made-up values. */
function wordsOf(value: unknown, path: string): [string, string][] {
  if (typeof value === "string") {
    return [[path, value]];
  }
  if (typeof value === "function") {
    return [[path, String((value as (...made: unknown[]) => unknown)(1, 2, 3, 4, 5))]];
  }
  return Object.entries(value as object).flatMap(([key, part]) => wordsOf(part, `${path}.${key}`));
}

it.each(Object.keys(LANGUAGES) as Language[])("no word of %s is missing", async (language) => {
  const words = wordsOf(await CATALOGUES[language](), language);
  const english = new Map(wordsOf(await CATALOGUES.en(), language));
  expect(words.map(([path]) => path)).toEqual([...english.keys()]);
  for (const [path, word] of words) {
    expect(word === "", path).toBe(english.get(path) === "");
    // A function that forgets a value shows it so.
    expect(word, path).not.toMatch(/undefined|NaN/);
  }
});
