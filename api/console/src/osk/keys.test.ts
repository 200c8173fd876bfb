import { describe, expect, it } from "vitest";
import { OnScreenKeys } from "./keys";

function bench() {
  const log: string[] = [];
  const held = new Set<string>();
  const keys = new OnScreenKeys((name, pressed) => {
    log.push(`${pressed ? "+" : "-"}${name}`);
    pressed ? held.add(name) : held.delete(name);
  });
  return { keys, log, held };
}

describe("keys on the screen", () => {
  it("go down and up with the finger", () => {
    const { keys, log } = bench();
    keys.down(1, "KeyA");
    keys.down(2, "KeyB");
    keys.up(1);
    keys.up(2);
    expect(log).toEqual(["+KeyA", "+KeyB", "-KeyA", "-KeyB"]);
  });

  it("hold a modifier for the next key", () => {
    const { keys, log } = bench();
    keys.click("ShiftLeft");
    expect(keys.stickiness("ShiftLeft")).toBe("once");
    keys.click("KeyA");
    keys.click("KeyA");
    expect(log).toEqual(["+ShiftLeft", "+KeyA", "-KeyA", "-ShiftLeft", "+KeyA", "-KeyA"]);
  });

  it("lock a modifier that is tapped twice, until it is tapped again", () => {
    const { keys, log } = bench();
    keys.click("ControlLeft");
    keys.click("ControlLeft");
    keys.click("KeyC");
    keys.click("KeyV");
    expect(keys.stickiness("ControlLeft")).toBe("locked");
    keys.click("ControlLeft");
    expect(log).toEqual(["+ControlLeft", "+KeyC", "-KeyC", "+KeyV", "-KeyV", "-ControlLeft"]);
  });

  it("gather modifiers", () => {
    const { keys, log } = bench();
    for (const name of ["ControlLeft", "AltLeft", "Delete"]) {
      keys.click(name);
    }
    expect(log).toEqual(["+ControlLeft", "+AltLeft", "+Delete", "-Delete", "-ControlLeft", "-AltLeft"]);
  });

  it("press a key once under two fingers", () => {
    const { keys, log } = bench();
    keys.down(1, "KeyA");
    keys.down(2, "KeyA");
    keys.up(1);
    expect(log).toEqual(["+KeyA"]);
    keys.up(2);
    expect(log).toEqual(["+KeyA", "-KeyA"]);
  });

  it("leave nothing held, whatever fingers do", () => {
    let seed = 5;
    const random = (below: number): number => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed % below;
    };
    const names = ["KeyA", "KeyB", "ShiftLeft", "AltRight", "MetaLeft", "Enter"];
    const { keys, held } = bench();
    for (let round = 0; round < 1_000; round++) {
      for (let step = random(15); step > 0; step--) {
        random(2) === 0 ? keys.down(random(3), names[random(names.length)] as string) : keys.up(random(3));
      }
      keys.releaseAll();
      expect([...held]).toEqual([]);
      expect(keys.sticky.value.size).toBe(0);
    }
  });
});
