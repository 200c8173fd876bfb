import { describe, expect, it } from "vitest";
import { Mouse, splitMovement } from "./mouse";

/** A mouse whose frames and network are run by the test. */
function bench() {
  const log: string[] = [];
  const frames: (() => void)[] = [];
  const network = { congested: false };
  const mouse = new Mouse(
    {
      move: (x, y) => log.push(`to ${x},${y}`),
      relative: (list) => log.push(`by ${JSON.stringify(list)}`),
      wheel: (list) => log.push(`wheel ${JSON.stringify(list)}`),
      button: (name, pressed) => log.push(`${pressed ? "+" : "-"}${name}`),
      congested: () => network.congested,
    },
    (callback) => frames.push(callback),
  );
  const frame = () => {
    for (const callback of frames.splice(0)) {
      callback();
    }
  };
  return { mouse, log, frame, network };
}

describe("movements", () => {
  it("are one message per frame, the newest place", () => {
    const { mouse, log, frame } = bench();
    for (let x = 0; x < 50; x++) {
      mouse.moveTo({ x, y: -x });
    }
    expect(log).toEqual([]);
    frame();
    frame();
    expect(log).toEqual(["to 49,-49"]);
  });

  it("to where the pointer already is are not sent", () => {
    const { mouse, log, frame } = bench();
    mouse.moveTo({ x: 1, y: 1 });
    frame();
    mouse.moveTo({ x: 1, y: 1 });
    frame();
    expect(log).toEqual(["to 1,1"]);
    mouse.forget();
    mouse.moveTo({ x: 1, y: 1 });
    frame();
    expect(log).toEqual(["to 1,1", "to 1,1"]);
  });

  it("wait and merge while the network lags", () => {
    const { mouse, log, frame, network } = bench();
    network.congested = true;
    mouse.moveTo({ x: 1, y: 1 });
    frame();
    mouse.moveTo({ x: 2, y: 2 });
    frame();
    expect(log).toEqual([]);
    network.congested = false;
    frame();
    expect(log).toEqual(["to 2,2"]);
  });

  it("of a locked pointer add up, fractions included", () => {
    const { mouse, log, frame } = bench();
    mouse.moveBy(3, -4);
    mouse.moveBy(0.6, 0);
    frame();
    mouse.moveBy(0.6, 0);
    frame();
    expect(log).toEqual(["by [[3,-4]]", "by [[1,0]]"]);
  });

  it("of more than a report are split in a straight line", () => {
    expect(splitMovement(300, -30)).toEqual([
      [100, -10],
      [100, -10],
      [100, -10],
    ]);
    expect(splitMovement(-128, 1)).toEqual([
      [-64, 1],
      [-64, 0],
    ]);
    expect(splitMovement(0, 0)).toEqual([]);
  });

  it("keep their sum however they are split", () => {
    for (let dx = -1_000; dx <= 1_000; dx += 37) {
      const parts = splitMovement(dx, 1_000 - dx);
      expect(parts.reduce((sum, [x]) => sum + x, 0)).toBe(dx);
      expect(parts.reduce((sum, [, y]) => sum + y, 0)).toBe(1_000 - dx);
      expect(Math.max(...parts.flat().map(Math.abs))).toBeLessThanOrEqual(127);
    }
  });
});

describe("buttons", () => {
  it("act at the newest place", () => {
    const { mouse, log } = bench();
    mouse.moveTo({ x: 5, y: 5 });
    mouse.press(1);
    expect(log).toEqual(["to 5,5", "+left"]);
  });

  it("are told apart, several at once included", () => {
    const { mouse, log } = bench();
    mouse.press(1);
    mouse.press(1 | 2 | 8);
    mouse.press(4 | 16);
    expect(log).toEqual(["+left", "+right", "+up", "-left", "-right", "+middle", "-up", "+down"]);
  });

  it("are released when the page loses the mouse, and only once", () => {
    const { mouse, log } = bench();
    mouse.press(5);
    mouse.releaseAll();
    mouse.releaseAll();
    expect(log).toEqual(["+left", "+middle", "-left", "-middle"]);
  });
});

it("the wheel turns where the pointer is", () => {
  const { mouse, log } = bench();
  mouse.moveTo({ x: 7, y: 7 });
  mouse.turn(0, 50, 0);
  mouse.turn(0, 50, 0);
  expect(log).toEqual(["to 7,7", "wheel [[0,-1]]"]);
});
