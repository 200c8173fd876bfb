/** The last minutes of the appliance's health, kept since the page was opened. Pure but for who fills it. */

import type { Health } from "../../state/types/info";

/** At a point every five seconds, an hour. */
const POINTS = 720;

export class History {
  /** Seconds since the epoch; then temperature in °C, CPU and memory in percent. */
  readonly times: number[] = [];
  readonly temperature: (number | null)[] = [];
  readonly cpu: (number | null)[] = [];
  readonly memory: (number | null)[] = [];

  add(at: number, health: Health): void {
    this.times.push(at);
    this.temperature.push(health.temp.cpu);
    this.cpu.push(health.cpu.percent);
    this.memory.push(health.mem.percent);
    for (const column of [this.times, this.temperature, this.cpu, this.memory]) {
      if (column.length > POINTS) {
        column.shift();
      }
    }
  }
}

/** Least, mean and most of what is known; null if nothing is. */
export function summary(
  values: readonly (number | null)[],
): { least: number; mean: number; most: number } | null {
  const known = values.filter((value): value is number => value !== null);
  if (known.length === 0) {
    return null;
  }
  const sum = known.reduce((total, value) => total + value, 0);
  return { least: Math.min(...known), mean: sum / known.length, most: Math.max(...known) };
}
