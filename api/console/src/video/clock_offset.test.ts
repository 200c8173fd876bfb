import { describe, expect, it } from "vitest";
import { ClockOffset } from "./clock_offset";

/** A repeatable source of numbers in 0..1. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

describe("the clock offset", () => {
  it("is unknown before the first answer", () => {
    const clock = new ClockOffset();
    expect(clock.offset).toBeNull();
    expect(clock.uncertainty).toBeNull();
  });

  it("is exact where both ways take the same time", () => {
    const clock = new ClockOffset();
    clock.add(10, 110.02, 110.03, 10.05);
    expect(clock.offset).toBeCloseTo(100, 9);
    expect(clock.uncertainty).toBeCloseTo(0.02, 9);
  });

  it("is never wrong by more than it says, however the network jitters", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const next = random(seed);
      const clock = new ClockOffset();
      const truth = (next() - 0.5) * 1e6;
      for (let i = 0; i < 40; i++) {
        const t0 = i;
        const there = 0.001 + next() ** 4 * 0.5;
        const thinking = next() * 0.01;
        const back = 0.001 + next() ** 4 * 0.5;
        const t1 = t0 + there + truth;
        clock.add(t0, t1, t1 + thinking, t0 + there + thinking + back);
        expect(Math.abs((clock.offset ?? Infinity) - truth)).toBeLessThanOrEqual(
          (clock.uncertainty ?? 0) + 1e-6,
        );
      }
    }
  });

  it("follows a clock that drifts", () => {
    const clock = new ClockOffset();
    let truth = 5;
    for (let t = 0; t < 600; t++) {
      truth = 5 + t * 50e-6;
      clock.add(t, t + 0.01 + truth, t + 0.01 + truth, t + 0.02);
    }
    expect(Math.abs((clock.offset ?? 0) - truth)).toBeLessThan(0.002);
  });

  it("does not believe an answer from before its question", () => {
    const clock = new ClockOffset();
    clock.add(10, 20, 20, 9);
    clock.add(10, 20, Number.NaN, 11);
    expect(clock.offset).toBeNull();
  });
});
