import { describe, expect, it } from "vitest";
import { containedRect, toAbsolute } from "./geometry";

const HD = { width: 1280, height: 720 };

describe("the picture in its box", () => {
  it("is letterboxed above and below in a tall box", () => {
    expect(containedRect({ x: 10, y: 20, width: 640, height: 1000 }, HD)).toEqual({
      x: 10,
      y: 340,
      width: 640,
      height: 360,
    });
  });

  it("has bars left and right in a wide box", () => {
    expect(containedRect({ x: 0, y: 50, width: 2000, height: 720 }, HD)).toEqual({
      x: 360,
      y: 50,
      width: 1280,
      height: 720,
    });
  });

  it("is the box as long as its size is unknown", () => {
    const box = { x: 1, y: 2, width: 3, height: 4 };
    expect(containedRect(box, { width: 0, height: 0 })).toEqual(box);
  });
});

describe("a point of the picture", () => {
  const rect = { x: 360, y: 50, ...HD };

  it.each([
    [
      { x: 360, y: 50 },
      { x: -32768, y: -32768 },
    ],
    [
      { x: 360 + 1279, y: 50 + 719 },
      { x: 32767, y: 32767 },
    ],
    [
      { x: 360 + 639.5, y: 50 + 359.5 },
      { x: 0, y: 0 },
    ],
    [
      { x: 0, y: 10_000 },
      { x: -32768, y: 32767 },
    ],
    [
      { x: 10_000, y: -5 },
      { x: 32767, y: -32768 },
    ],
  ])("%j is %j", (point, expected) => {
    const { x, y } = toAbsolute(point, rect);
    expect({ x: x + 0, y: y + 0 }).toEqual(expected);
  });

  it("finds its own pixel on a target of the same size", () => {
    for (let pixel = 0; pixel < HD.width; pixel++) {
      const { x } = toAbsolute({ x: rect.x + pixel, y: 0 }, rect);
      // The report's 0..32767 of the contract (subsystems.md 2.3), spread over the target's pixels.
      const report = Math.floor(((x + 32768) * 32767) / 65535);
      expect(Math.round((report * (HD.width - 1)) / 32767)).toBe(pixel);
    }
  });

  it("is defined even in a picture without extent", () => {
    expect(toAbsolute({ x: 5, y: 5 }, { x: 5, y: 5, width: 0, height: 1 })).toEqual({ x: -32768, y: -32768 });
  });
});
