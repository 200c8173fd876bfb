import { expect, it } from "vitest";
import { SENTINEL, strokesOf } from "./soft_input";

const backspace = { kind: "key", name: "Backspace" };

it.each([
  [SENTINEL, []],
  [`${SENTINEL}a`, [{ kind: "text", text: "a" }]],
  [`${SENTINEL}größer `, [{ kind: "text", text: "größer " }]],
  [`ab${SENTINEL}`, [{ kind: "text", text: "ab" }]],
  ["", [backspace]],
  ["x", [backspace, { kind: "text", text: "x" }]],
])("%j is %j", (value, expected) => {
  expect(strokesOf(value)).toEqual(expected);
});
