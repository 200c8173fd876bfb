import { describe, expect, it } from "vitest";
import {
  formatBook,
  formatSteps,
  type Macro,
  MacroError,
  type MacroStep,
  parseBook,
  parseSteps,
  type Shortcut,
} from "./macro";

const FILE = `# Two of them.
macro Log in
key ControlLeft down
key ControlLeft up
  wait 250

macro Draw
move -32768 32767
button left down
relative 10 -5
wheel 0 -3
button left up

shortcut Task manager
keys ControlLeft ShiftLeft Escape
`;

describe("a file", () => {
  it("is read", () => {
    const { macros, shortcuts } = parseBook(FILE);
    expect(macros.map(({ name, steps }) => [name, steps.length])).toEqual([
      ["Log in", 3],
      ["Draw", 5],
    ]);
    expect(macros[0]?.steps[2]).toEqual({ kind: "wait", ms: 250 });
    expect(shortcuts).toEqual([{ name: "Task manager", keys: ["ControlLeft", "ShiftLeft", "Escape"] }]);
  });

  it.each([
    ["key KeyA down", 1, 1, "no_header"],
    ["macro", 1, 6, "no_name"],
    ["macro a\nmacro a", 2, 7, "same_name"],
    ["macro a\n\n  key KeyÄ down", 3, 7, "unknown_key"],
    ["macro a\nkey KeyA", 2, 9, "words_missing"],
    ["macro a\nkey KeyA pressed", 2, 10, "not_up_or_down"],
    ["macro a\nkey KeyA up up", 2, 13, "words_left"],
    ["macro a\nbutton fourth up", 2, 8, "unknown_button"],
    ["macro a\nmove 0 32768", 2, 8, "not_a_number"],
    ["macro a\nwheel 1.5 0", 2, 7, "not_a_number"],
    ["macro a\nwait -1", 2, 6, "not_a_number"],
    ["macro a\r\njump 1", 2, 1, "unknown_step"],
    ["macro a\nkeys KeyA", 2, 1, "unknown_step"],
    ["shortcut a\nkeys KeyA KeyÄ", 2, 11, "unknown_key"],
    ["shortcut a\nkeys", 2, 5, "words_missing"],
    ["shortcut a\nkeys KeyA\nkeys KeyB", 3, 1, "words_left"],
    ["shortcut a\nmacro b", 1, 10, "no_keys"],
    ["shortcut a", 1, 10, "no_keys"],
    ["shortcut a\nkeys KeyA\nshortcut a", 3, 10, "same_name"],
  ])("is refused at its place: %j", (text, line, column, problem) => {
    expect(() => parseBook(text)).toThrow(MacroError);
    try {
      parseBook(text);
    } catch (error) {
      expect(error).toMatchObject({ line, column, problem });
    }
  });

  it("may name a macro and a shortcut alike", () => {
    expect(parseBook("macro a\nshortcut a\nkeys KeyA").shortcuts).toHaveLength(1);
  });

  it("is what was written, whatever that was", () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const step = (): MacroStep => {
      const pressed = random(2) === 1;
      const deltas = [[random(255) - 127, random(255) - 127]] as const;
      const steps: MacroStep[] = [
        { kind: "key", name: ["KeyA", "F24", "IntlRo"][random(3)] as string, pressed },
        { kind: "button", name: "middle", pressed },
        { kind: "move", x: random(65_536) - 32_768, y: random(65_536) - 32_768 },
        { kind: "relative", deltas },
        { kind: "wheel", deltas },
        { kind: "wait", ms: random(3_600_001) },
      ];
      return steps[random(steps.length)] as MacroStep;
    };
    for (let round = 0; round < 200; round++) {
      const macros: Macro[] = Array.from({ length: random(4) }, (_, index) => ({
        name: `macro ${index} # of ${round}`,
        steps: Array.from({ length: random(30) }, step),
      }));
      const shortcuts: Shortcut[] = Array.from({ length: random(3) }, (_, index) => ({
        name: `Alt  ${index}`,
        keys: ["AltLeft", "Tab"].slice(random(2)),
      }));
      expect(parseBook(formatBook({ macros, shortcuts }))).toEqual({ macros, shortcuts });
      for (const { steps } of macros) {
        expect(parseSteps(formatSteps(steps))).toEqual(steps);
      }
    }
  });
});
