import { expect, it } from "vitest";
import { bytes, duration, relative } from "./units";

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

it.each([
  [604_800, "en", "in 7 days"],
  [172_799, "en", "in 2 days"],
  [86_400, "en", "in 1 day"],
  [86_399, "en", "in 24 hours"],
  [3_599, "en", "in 60 minutes"],
  [3_600, "en", "in 1 hour"],
  [90, "en", "in 2 minutes"],
  [5, "en", "in 5 seconds"],
  [-7_300, "en", "2 hours ago"],
  [-0.2, "en", "0 seconds ago"],
  [-259_200, "de", "vor 3 Tagen"],
])("%d seconds from now, in %s, is %s", (seconds, language, expected) => {
  expect(relative(seconds, language)).toBe(expected);
});
