/**
 * What the reader likes, kept in the browser: one signal for each preference. A browser that keeps nothing (or
 * holds rubbish) leaves the default; windows of the same browser follow each other.
 */

import { effect, type Signal, signal } from "@preact/signals";

const PREFIX = "farhand.";

/** Reads a value that was kept; undefined refuses it. */
export type Parse<T> = (value: unknown) => T | undefined;

function kept<T>(name: string, parse: Parse<T>): T | undefined {
  try {
    const json = localStorage.getItem(PREFIX + name);
    return json === null ? undefined : parse(JSON.parse(json));
  } catch {
    // Storage is forbidden, or what it holds is no JSON.
    return undefined;
  }
}

function keep(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Storage is forbidden or full: the preference lives as long as the page.
  }
}

/**
 * The preference `name`; made once, at the top of a module. What it holds must be made of JSON values, and is
 * replaced, never changed in place.
 */
export function preference<T>(name: string, fallback: T, parse: Parse<T>): Signal<T> {
  const value = signal<T>(kept(name, parse) ?? fallback);
  let first = true;
  effect(() => {
    const now = value.value;
    // What nobody chose is not kept, so that a later version may choose better.
    if (!first) {
      keep(name, now);
    }
    first = false;
  });
  if (typeof window !== "undefined") {
    window.addEventListener("storage", (event) => {
      if (event.key === PREFIX + name) {
        value.value = kept(name, parse) ?? fallback;
      }
    });
  }
  return value;
}

/** Parsers of plain kinds. */
export const asBoolean: Parse<boolean> = (value) => (typeof value === "boolean" ? value : undefined);

export function asOneOf<T extends string>(...names: readonly T[]): Parse<T> {
  return (value) => names.find((name) => name === value);
}

export function asNumber(minimum: number, maximum: number): Parse<number> {
  return (value) => (typeof value === "number" && value >= minimum && value <= maximum ? value : undefined);
}
