import { describe, expect, it } from "vitest";
import { containedRect, shareOf, shownRect, toAbsolute } from "./geometry";

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

describe("a picture that is turned", () => {
  const rect = { x: 100, y: 50, width: 200, height: 400 };
  const topLeft = { x: 100, y: 50 };
  const bottomRight = { x: 299, y: 449 };

  it.each([
    [0, topLeft, { x: -32768, y: -32768 }],
    [90, topLeft, { x: -32768, y: 32767 }],
    [180, topLeft, { x: 32767, y: 32767 }],
    [270, topLeft, { x: 32767, y: -32768 }],
    [0, bottomRight, { x: 32767, y: 32767 }],
    [90, bottomRight, { x: 32767, y: -32768 }],
    [180, bottomRight, { x: -32768, y: -32768 }],
    [270, bottomRight, { x: -32768, y: 32767 }],
  ] as const)("by %d degrees has its corners where they are seen", (rotation, point, expected) => {
    expect(toAbsolute(point, rect, rotation)).toEqual(expected);
  });

  it("keeps its proportions in the box", () => {
    const box = { x: 0, y: 0, width: 900, height: 900 };
    const view = { rotation: 90, actualSize: false } as const;
    const shown = shownRect(box, { width: 1280, height: 720 }, view, 1, { x: 0, y: 0 });
    expect(shown).toEqual({ x: 196.875, y: 0, width: 506.25, height: 900 });
  });
});

describe("a picture in its actual size", () => {
  const box = { x: 10, y: 20, width: 640, height: 900 };
  const view = { rotation: 0, actualSize: true } as const;
  const picture = { width: 1280, height: 720 };

  it("is as large as it is, on fine screens too", () => {
    expect(shownRect(box, picture, view, 2, { x: 0.5, y: 0.5 })).toEqual({
      x: 10,
      y: 290,
      width: 640,
      height: 360,
    });
  });

  it("shows the part that one looks at", () => {
    expect(shownRect(box, picture, view, 1, { x: 0, y: 1 })).toEqual({
      x: 10,
      y: 110,
      width: 1280,
      height: 720,
    });
    expect(shownRect(box, picture, view, 1, { x: 1, y: 0 }).x).toBe(-630);
  });

  it("is looked at where the pointer is", () => {
    expect(shareOf(box, { x: 330, y: 20 })).toEqual({ x: 0.5, y: 0 });
    expect(shareOf(box, { x: -100, y: 5_000 })).toEqual({ x: 0, y: 1 });
  });
});
