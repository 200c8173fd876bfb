import { describe, expect, it } from "vitest";
import { formatMacros, type Macro, MacroError, type MacroStep, parseMacros } from "./macro";

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
`;

describe("a file of macros", () => {
  it("is read", () => {
    const macros = parseMacros(FILE);
    expect(macros.map(({ name, steps }) => [name, steps.length])).toEqual([
      ["Log in", 3],
      ["Draw", 5],
    ]);
    expect(macros[0]?.steps[2]).toEqual({ kind: "wait", ms: 250 });
  });

  it.each([
    ["key KeyA down", 1, "no_macro"],
    ["macro", 1, "no_name"],
    ["macro a\nmacro a", 2, "same_name"],
    ["macro a\n\nkey KeyÄ down", 3, "unknown_key"],
    ["macro a\nkey KeyA", 2, "words_missing"],
    ["macro a\nkey KeyA pressed", 2, "not_up_or_down"],
    ["macro a\nkey KeyA up up", 2, "words_left"],
    ["macro a\nbutton fourth up", 2, "unknown_button"],
    ["macro a\nmove 0 32768", 2, "not_a_number"],
    ["macro a\nwheel 1.5 0", 2, "not_a_number"],
    ["macro a\nwait -1", 2, "not_a_number"],
    ["macro a\r\njump 1", 2, "unknown_step"],
  ])("is refused at its line: %j", (text, line, problem) => {
    expect(() => parseMacros(text)).toThrow(MacroError);
    try {
      parseMacros(text);
    } catch (error) {
      expect(error).toMatchObject({ line, problem });
    }
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
      expect(parseMacros(formatMacros(macros))).toEqual(macros);
    }
  });
});
