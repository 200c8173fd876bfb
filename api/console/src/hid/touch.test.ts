import { describe, expect, it } from "vitest";
import { LONG_PRESS_MS, Touch, type TouchMode } from "./touch";

function bench(mode: TouchMode) {
  const log: string[] = [];
  const state = { buttons: 0 };
  const touch = new Touch(
    {
      pointAt: ({ x, y }) => log.push(`at ${x},${y}`),
      push: (dx, dy) => log.push(`by ${dx},${dy}`),
      press: (buttons) => {
        if (buttons !== state.buttons) {
          state.buttons = buttons;
          log.push(`press ${buttons}`);
        }
      },
      wheel: (dx, dy) => log.push(`wheel ${dx},${dy}`),
    },
    () => mode,
  );
  return { touch, log, state };
}

const at = (x: number, y: number) => ({ x, y });

describe("a finger that points", () => {
  it("clicks with a tap", () => {
    const { touch, log } = bench("direct");
    touch.down(1, at(5, 6), 0);
    touch.move(1, at(8, 6));
    touch.up(1, 100);
    expect(log).toEqual(["at 5,6", "press 1", "press 0"]);
  });

  it("drags from where it came down", () => {
    const { touch, log } = bench("direct");
    touch.down(1, at(0, 0), 0);
    touch.move(1, at(20, 0));
    touch.move(1, at(30, 5));
    touch.up(1, 900);
    expect(log).toEqual(["at 0,0", "at 0,0", "press 1", "at 20,0", "at 30,5", "press 0"]);
  });

  it("clicks the other button when it rests", () => {
    const { touch, log } = bench("direct");
    touch.down(1, at(0, 0), 0);
    touch.check(LONG_PRESS_MS - 1);
    touch.check(LONG_PRESS_MS);
    touch.up(1, 900);
    expect(log).toEqual(["at 0,0", "press 2", "press 0"]);
  });

  it("lets go when a second one comes, and both turn the wheel", () => {
    const { touch, log } = bench("direct");
    touch.down(1, at(0, 0), 0);
    touch.move(1, at(20, 0));
    touch.down(2, at(50, 0), 100);
    touch.move(2, at(50, 30));
    touch.move(1, at(20, 30));
    touch.up(1, 200);
    touch.up(2, 210);
    expect(log.slice(-3)).toEqual(["press 0", "wheel 0,-15", "wheel 0,-15"].map((x) => x.replace("-0", "0")));
  });
});

describe("a trackpad", () => {
  it("pushes the pointer, and clicks with one, two and three fingers", () => {
    const { touch, log } = bench("trackpad");
    touch.down(1, at(0, 0), 0);
    touch.move(1, at(30, 0));
    touch.up(1, 100);
    for (const [round, count] of [1, 2, 3].entries()) {
      const now = 10_000 * (round + 1);
      for (let finger = 0; finger < count; finger++) {
        touch.down(finger, at(50 * finger, 0), now);
      }
      for (let finger = 0; finger < count; finger++) {
        touch.up(finger, now + 100);
      }
    }
    expect(log).toEqual(["by 30,0", "press 1", "press 0", "press 2", "press 0", "press 4", "press 0"]);
  });

  it("drags after a tap", () => {
    const { touch, log } = bench("trackpad");
    touch.down(1, at(0, 0), 0);
    touch.up(1, 100);
    touch.down(1, at(0, 0), 200);
    touch.move(1, at(20, 0));
    touch.up(1, 900);
    expect(log).toEqual(["press 1", "press 0", "press 1", "by 20,0", "press 0"]);
  });
});

it.each(["direct", "trackpad"] as const)("%s leaves no button down, whatever fingers do", (mode) => {
  let seed = 11;
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  const { touch, state } = bench(mode);
  let now = 0;
  for (let round = 0; round < 2_000; round++) {
    const down = new Set<number>();
    for (let step = random(12); step > 0; step--) {
      now += random(400);
      const finger = random(4);
      const place = at(random(400), random(400));
      switch (random(5)) {
        case 0:
        case 1:
          if (!down.has(finger)) {
            down.add(finger);
            touch.down(finger, place, now);
          }
          break;
        case 2:
          touch.move(finger, place);
          break;
        case 3:
          down.delete(finger);
          touch.up(finger, now);
          break;
        default:
          touch.check(now);
      }
    }
    if (random(3) === 0) {
      touch.cancel();
    } else {
      for (const finger of down) {
        touch.up(finger, now);
      }
    }
    expect(state.buttons).toBe(0);
  }
});
