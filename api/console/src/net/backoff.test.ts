import { expect, it } from "vitest";
import { retryDelayMs } from "./backoff";

it("doubles up to a limit, half of it by chance", () => {
  const attempts = [0, 1, 2, 3, 4, 30];
  expect(attempts.map((n) => retryDelayMs(n, 1))).toEqual([1000, 2000, 4000, 8000, 15000, 15000]);
  expect(attempts.map((n) => retryDelayMs(n, 0))).toEqual([500, 1000, 2000, 4000, 7500, 7500]);
});
