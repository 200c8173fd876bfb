import { expect, it } from "vitest";
import { bytes, duration } from "./units";

it.each([
  [0, "0 B"],
  [999, "999 B"],
  [1_000, "0.98 KiB"],
  [1_048_576, "1.00 MiB"],
  [15_000_000, "14.3 MiB"],
  [5 * 2 ** 40, "5.00 TiB"],
  [2 ** 60, "1048576 TiB"],
])("%d bytes are %s", (count, expected) => {
  expect(bytes(count, ".")).toBe(expected);
});

it.each([
  [-1, "0:00"],
  [9, "0:09"],
  [245, "4:05"],
  [3_723, "1:02:03"],
])("%d seconds are %s", (seconds, expected) => {
  expect(duration(seconds)).toBe(expected);
});
