import { expect, it } from "vitest";
import { piecesOf } from "./typing";

it.each([
  ["", []],
  ["abc", ["abc"]],
  ["abcdefg", ["abc", "def", "g"]],
  ["😀😀😀😀", ["😀😀😀", "😀"]],
  ["abe\u0301c", ["abe\u0301", "c"]],
])("%j is cut where it may be", (text, pieces) => {
  expect(piecesOf(text, 3)).toEqual(pieces);
  expect(piecesOf(text, 3).join("")).toBe(text);
});
