import { expect, it } from "vitest";
import { Rate } from "./rate";

it("tells speed and time left", () => {
  const rate = new Rate();
  expect(rate.perSecond).toBeNull();
  rate.mark(0, 0);
  expect(rate.left(100)).toBeNull();
  rate.mark(2, 20);
  expect(rate.perSecond).toBe(10);
  expect(rate.left(100)).toBe(8);
});

it("forgets what was long ago", () => {
  const rate = new Rate();
  for (let second = 0; second <= 20; second++) {
    rate.mark(second, second < 10 ? second : 10 + (second - 10) * 5);
  }
  expect(rate.perSecond).toBe(5);
});
