/**
 * Macros as text, a step a line (docs/console.md, "Macros"): what a person can read, write, keep and send to
 * others. Pure.
 */

import { keyName } from "../hid/keys";
import { BUTTON_NAMES, type Step } from "../hid/step";

/** A step, or a pause before the next one in milliseconds. */
export type MacroStep = Step | { readonly kind: "wait"; readonly ms: number };

export interface Macro {
  readonly name: string;
  readonly steps: readonly MacroStep[];
}

export type Problem =
  | "no_macro"
  | "no_name"
  | "same_name"
  | "unknown_step"
  | "unknown_key"
  | "unknown_button"
  | "not_up_or_down"
  | "not_a_number"
  | "words_missing"
  | "words_left";

/** A line that is no step; lines count from 1. */
export class MacroError extends Error {
  readonly line: number;
  readonly problem: Problem;
  /** What stands there. */
  readonly found: string;

  constructor(line: number, problem: Problem, found: string) {
    super(`line ${line}: ${problem}: ${found}`);
    this.line = line;
    this.problem = problem;
    this.found = found;
  }
}

const LONGEST_WAIT_MS = 3_600_000;

class Words {
  readonly #line: number;
  readonly #words: string[];

  constructor(line: number, text: string) {
    this.#line = line;
    this.#words = text.split(/\s+/);
  }

  fail(problem: Problem, found: string): never {
    throw new MacroError(this.#line, problem, found);
  }

  next(): string {
    return this.#words.shift() ?? this.fail("words_missing", "");
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
    if (this.#words.length > 0) {
      this.fail("words_left", this.#words.join(" "));
    }
  }
}

function parseStep(words: Words): MacroStep {
  const kind = words.next();
  switch (kind) {
    case "key": {
      const word = words.next();
      const name = keyName(word) ?? words.fail("unknown_key", word);
      return { kind, name, pressed: words.pressed() };
    }
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

/** Read a file of macros. Throws `MacroError` at the first line that is wrong; then nothing of it is taken. */
export function parseMacros(text: string): Macro[] {
  const macros: { name: string; steps: MacroStep[] }[] = [];
  text.split(/\r?\n/).forEach((raw, index) => {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) {
      return;
    }
    const number = index + 1;
    const [, name] = /^macro\b\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined) {
      if (name === "" || macros.some((macro) => macro.name === name)) {
        throw new MacroError(number, name === "" ? "no_name" : "same_name", name);
      }
      macros.push({ name, steps: [] });
      return;
    }
    const macro = macros.at(-1);
    if (macro === undefined) {
      throw new MacroError(number, "no_macro", line);
    }
    const words = new Words(number, line);
    macro.steps.push(parseStep(words));
    words.end();
  });
  return macros;
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

/** Write a file of macros. */
export function formatMacros(macros: readonly Macro[]): string {
  return macros
    .map(({ name, steps }) => [`macro ${name}`, ...steps.flatMap(formatStep), ""].join("\n"))
    .join("\n");
}
