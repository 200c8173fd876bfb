/**
 * Macros and shortcuts as text, a step a line (docs/console.md, "Macros"): what a person can read, write, keep
 * and send to others. Pure.
 */

import { keyName } from "../hid/keys";
import { BUTTON_NAMES, type Step } from "../hid/step";

/** A step, or a pause before the next one in milliseconds. */
export type MacroStep = Step | { readonly kind: "wait"; readonly ms: number };

export interface Macro {
  readonly name: string;
  readonly steps: readonly MacroStep[];
}

/** Keys that are pressed together. */
export interface Shortcut {
  readonly name: string;
  readonly keys: readonly string[];
}

/** What a file holds. */
export interface Book {
  readonly macros: readonly Macro[];
  readonly shortcuts: readonly Shortcut[];
}

export type Problem =
  | "no_header"
  | "no_name"
  | "same_name"
  | "no_keys"
  | "unknown_step"
  | "unknown_key"
  | "unknown_button"
  | "not_up_or_down"
  | "not_a_number"
  | "words_missing"
  | "words_left";

/** A line that is no step; lines and columns count from 1. */
export class MacroError extends Error {
  readonly line: number;
  readonly column: number;
  readonly problem: Problem;
  /** What stands there. */
  readonly found: string;

  constructor(line: number, column: number, problem: Problem, found: string) {
    super(`line ${line}, column ${column}: ${problem}: ${found}`);
    this.line = line;
    this.column = column;
    this.problem = problem;
    this.found = found;
  }
}

const LONGEST_WAIT_MS = 3_600_000;

/** The words of a line, from the left to the right. */
class Words {
  readonly #line: number;
  readonly #text: string;
  readonly #words: { readonly word: string; readonly column: number }[];
  #column = 1;

  constructor(line: number, text: string) {
    this.#line = line;
    this.#text = text;
    this.#words = Array.from(text.matchAll(/\S+/g), ({ 0: word, index }) => ({ word, column: index + 1 }));
  }

  get more(): boolean {
    return this.#words.length > 0;
  }

  /** Refuse the word that was taken last. */
  fail(problem: Problem, found: string): never {
    throw new MacroError(this.#line, this.#column, problem, found);
  }

  next(): string {
    const next = this.#words.shift();
    this.#column = next?.column ?? this.#text.trimEnd().length + 1;
    return next?.word ?? this.fail("words_missing", "");
  }

  /** All that is left of the line. */
  rest(): string {
    const [first] = this.#words;
    this.#words.length = 0;
    this.#column = first?.column ?? this.#text.trimEnd().length + 1;
    return first === undefined ? "" : this.#text.slice(first.column - 1).trimEnd();
  }

  key(): string {
    const word = this.next();
    return keyName(word) ?? this.fail("unknown_key", word);
  }

  pressed(): boolean {
    const word = this.next();
    return word === "down" ? true : word === "up" ? false : this.fail("not_up_or_down", word);
  }

  number(least: number, most: number): number {
    const word = this.next();
    const value = /^-?\d+$/.test(word) ? Number(word) : Number.NaN;
    return value >= least && value <= most ? value : this.fail("not_a_number", word);
  }

  end(): void {
    const left = this.rest();
    if (left !== "") {
      this.fail("words_left", left);
    }
  }
}

/** The lines that say something: neither empty nor a comment. */
function linesOf(text: string): { number: number; line: string }[] {
  return text
    .split(/\r?\n/)
    .map((line, index) => ({ number: index + 1, line }))
    .filter(({ line }) => line.trim() !== "" && !line.trimStart().startsWith("#"));
}

function parseStep(words: Words): MacroStep {
  const step = stepOf(words);
  words.end();
  return step;
}

function stepOf(words: Words): MacroStep {
  const kind = words.next();
  switch (kind) {
    case "key":
      return { kind, name: words.key(), pressed: words.pressed() };
    case "button": {
      const word = words.next();
      const name = BUTTON_NAMES.find((known) => known === word) ?? words.fail("unknown_button", word);
      return { kind, name, pressed: words.pressed() };
    }
    case "move":
      return { kind, x: words.number(-32_768, 32_767), y: words.number(-32_768, 32_767) };
    case "relative":
    case "wheel":
      return { kind, deltas: [[words.number(-127, 127), words.number(-127, 127)]] };
    case "wait":
      return { kind, ms: words.number(0, LONGEST_WAIT_MS) };
    default:
      return words.fail("unknown_step", kind);
  }
}

/** Read the steps of one macro. Throws `MacroError` at the first line that is none. */
export function parseSteps(text: string): MacroStep[] {
  return linesOf(text).map(({ number, line }) => parseStep(new Words(number, line)));
}

function parseKeys(words: Words): string[] {
  const word = words.next();
  if (word !== "keys") {
    words.fail("unknown_step", word);
  }
  const keys = [words.key()];
  while (words.more) {
    keys.push(words.key());
  }
  return keys;
}

/** Read a file. Throws `MacroError` at the first line that is wrong; then nothing of it is taken. */
export function parseBook(text: string): Book {
  const macros: { name: string; steps: MacroStep[] }[] = [];
  const shortcuts: { name: string; keys: string[] }[] = [];
  let take: ((words: Words) => void) | null = null;
  let finish = (): void => {};
  for (const { number, line } of linesOf(text)) {
    const words = new Words(number, line);
    const [, header] = /^\s*(macro|shortcut)(?:\s|$)/.exec(line) ?? [];
    if (header !== undefined) {
      finish();
      words.next();
      const name = words.rest();
      const known: readonly { name: string }[] = header === "macro" ? macros : shortcuts;
      if (name === "" || known.some((other) => other.name === name)) {
        words.fail(name === "" ? "no_name" : "same_name", name);
      }
      if (header === "macro") {
        const steps: MacroStep[] = [];
        macros.push({ name, steps });
        take = (step) => void steps.push(parseStep(step));
        finish = () => {};
      } else {
        const keys: string[] = [];
        shortcuts.push({ name, keys });
        take = (step) => void (keys.length === 0 ? keys.push(...parseKeys(step)) : step.end());
        finish = () => void (keys.length > 0 || words.fail("no_keys", name));
      }
    } else if (take === null) {
      words.next();
      words.fail("no_header", line.trim());
    } else {
      take(words);
    }
  }
  finish();
  return { macros, shortcuts };
}

function formatStep(step: MacroStep): string[] {
  switch (step.kind) {
    case "key":
    case "button":
      return [`${step.kind} ${step.name} ${step.pressed ? "down" : "up"}`];
    case "move":
      return [`move ${step.x} ${step.y}`];
    case "relative":
    case "wheel":
      return step.deltas.map(([dx, dy]) => `${step.kind} ${dx} ${dy}`);
    case "wait":
      return [`wait ${step.ms}`];
  }
}

/** Write the steps of one macro. */
export function formatSteps(steps: readonly MacroStep[]): string {
  return steps.flatMap(formatStep).join("\n");
}

/** Write a file. */
export function formatBook({ macros, shortcuts }: Book): string {
  return [
    ...shortcuts.map(({ name, keys }) => `shortcut ${name}\nkeys ${keys.join(" ")}\n`),
    ...macros.map(({ name, steps }) => [`macro ${name}`, ...steps.flatMap(formatStep), ""].join("\n")),
  ].join("\n");
}
