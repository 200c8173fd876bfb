import { expect, it } from "vitest";
import type { Health } from "../../state/types/info";
import { History, summary } from "./history";

function health(cpu: number | null): Health {
  return {
    temp: { cpu: null },
    cpu: { percent: cpu },
    mem: { percent: 10, total: 1, available: 1 },
    throttling: null,
  };
}

it("keeps an hour", () => {
  const history = new History();
  for (let second = 0; second < 5_000; second += 5) {
    history.add(second, health(second));
  }
  expect(history.times.length).toBe(720);
  expect(history.cpu.at(-1)).toBe(4_995);
  expect(history.temperature.every((value) => value === null)).toBe(true);
});

it("sums up what is known", () => {
  expect(summary([null, null])).toBeNull();
  expect(summary([1, null, 3])).toEqual({ least: 1, mean: 2, most: 3 });
});
