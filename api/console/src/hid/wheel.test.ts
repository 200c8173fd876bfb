import { expect, it } from "vitest";
import { Wheel } from "./wheel";

it("one notch down is one step of minus one", () => {
  expect(new Wheel().turn(0, 100, 0)).toEqual([0, -1]);
  expect(new Wheel().turn(0, 120, 0)).toEqual([0, -1]);
  expect(new Wheel().turn(0, 3, 1)).toEqual([0, -1]);
  expect(new Wheel().turn(0, -1, 2)).toEqual([0, 3]);
});

it("a smooth movement becomes steps without losing any of it", () => {
  const wheel = new Wheel();
  let steps = 0;
  for (let i = 0; i < 1_000; i++) {
    steps += wheel.turn(0, 7, 0)?.[1] ?? 0;
  }
  expect(steps).toBe(-70);
});

it("a turn back acts at once", () => {
  const wheel = new Wheel();
  expect(wheel.turn(0, 90, 0)).toBeNull();
  expect(wheel.turn(0, -100, 0)).toEqual([0, 1]);
});

it("both axes go together, right is positive", () => {
  expect(new Wheel().turn(200, -100, 0)).toEqual([2, 1]);
});

it("no report exceeds its byte", () => {
  expect(new Wheel().turn(1e6, 1e6, 0)).toEqual([127, -127]);
});
