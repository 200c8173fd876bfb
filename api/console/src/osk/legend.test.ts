import { expect, it } from "vitest";
import { legendOf } from "./legend";

const legends = { KeyQ: ["q", "Q", "@"], Digit1: ["1", "!"], Equal: ["dead_acute", "dead_grave"] };
const plain = { shift: false, altgr: false, caps: false };

it.each([
  ["KeyQ", plain, "q"],
  ["KeyQ", { ...plain, shift: true }, "Q"],
  ["KeyQ", { ...plain, caps: true }, "Q"],
  ["KeyQ", { ...plain, caps: true, shift: true }, "q"],
  ["KeyQ", { ...plain, altgr: true }, "@"],
  ["KeyQ", { ...plain, altgr: true, shift: true }, ""],
  ["Digit1", { ...plain, caps: true }, "1"],
  ["Equal", plain, "´"],
  ["F5", plain, "F5"],
  ["Enter", plain, "⏎"],
])("%s with %j shows %j", (name, levels, expected) => {
  expect(legendOf(name, legends, levels)).toBe(expected);
});
