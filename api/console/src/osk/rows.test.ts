import { expect, it } from "vitest";
import { keyName } from "../hid/keys";
import { MAIN, NUMPAD, PAGES } from "./rows";

const whole = [...MAIN, ...NUMPAD];
const pages = Object.values(PAGES).flat();

it("has only keys of the appliance", () => {
  for (const place of [...whole, ...pages].flat()) {
    if (place !== null) {
      expect(keyName(place[0]), place[0]).toBe(place[0]);
    }
  }
});

it("has each key of the whole keyboard once", () => {
  const names = whole.flat().flatMap((place) => (place === null ? [] : [place[0]]));
  expect(new Set(names).size).toBe(names.length);
});

it("leaves a finger room on a phone", () => {
  for (const row of pages) {
    const width = row.reduce((sum, place) => sum + (place === null ? 0.5 : place[1]), 0);
    expect(width).toBeLessThanOrEqual(10);
  }
});
