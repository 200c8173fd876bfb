import { describe, expect, it } from "vitest";
import { Keyboard, type KeyInput, type ModifierState } from "./keyboard";

const NONE: ModifierState = { Control: false, Shift: false, Alt: false, Meta: false };

function input(code: string, change: Partial<KeyInput> = {}): KeyInput {
  return { code, repeat: false, modifiers: NONE, ...change };
}

/** A keyboard on a target that counts what is down, as the appliance would. */
function bench(system: "mac" | "windows" | "linux" = "linux") {
  const log: string[] = [];
  const down = new Set<string>();
  const left = { count: 0 };
  const later: (() => void)[] = [];
  const keyboard = new Keyboard(
    (name, pressed) => {
      log.push(`${pressed ? "+" : "-"}${name}`);
      if (pressed) {
        down.add(name);
      } else {
        down.delete(name);
      }
    },
    {
      mac: system === "mac",
      windows: system === "windows",
      soon: (task) => later.push(task),
      onLeave: () => {
        left.count++;
      },
    },
  );
  const wait = (): void => {
    for (const task of later.splice(0)) {
      task();
    }
  };
  return { keyboard, log, down, left, wait };
}

describe("keys", () => {
  it("go down and up once, whatever repeats in between", () => {
    const { keyboard, log } = bench();
    expect(keyboard.down(input("KeyA"))).toBe(true);
    keyboard.down(input("KeyA", { repeat: true }));
    keyboard.down(input("KeyA", { repeat: true }));
    keyboard.up(input("KeyA"));
    expect(log).toEqual(["+KeyA", "-KeyA"]);
  });

  it("that the appliance does not have are left to the browser", () => {
    const { keyboard, log } = bench();
    expect(keyboard.down(input("BrowserRefresh"))).toBe(false);
    expect(keyboard.up(input(""))).toBe(false);
    expect(log).toEqual([]);
  });

  it("are pressed again if the release was lost", () => {
    const { keyboard, log } = bench();
    keyboard.down(input("KeyA"));
    keyboard.down(input("KeyA"));
    expect(log).toEqual(["+KeyA", "+KeyA"]);
  });

  it("are all released when the page loses the keyboard, and do not come back by repeating", () => {
    const { keyboard, log, down } = bench();
    keyboard.down(input("ShiftLeft"));
    keyboard.down(input("KeyA"));
    keyboard.releaseAll();
    expect(down.size).toBe(0);
    keyboard.down(input("KeyA", { repeat: true }));
    keyboard.up(input("KeyA"));
    keyboard.up(input("ShiftLeft"));
    expect(log).toEqual(["+ShiftLeft", "+KeyA", "-ShiftLeft", "-KeyA"]);
  });

  it("are forgotten without a word when the appliance released them", () => {
    const { keyboard, log } = bench();
    keyboard.down(input("KeyA"));
    keyboard.forget();
    keyboard.up(input("KeyA"));
    expect(log).toEqual(["+KeyA"]);
  });
});

describe("modifiers", () => {
  it("that went up unseen are released at the next event", () => {
    const { keyboard, log } = bench();
    keyboard.down(input("ShiftLeft", { modifiers: { ...NONE, Shift: true } }));
    keyboard.down(input("KeyA", { modifiers: { ...NONE, Shift: true } }));
    keyboard.up(input("KeyA"));
    expect(log).toEqual(["+ShiftLeft", "+KeyA", "-ShiftLeft", "-KeyA"]);
  });

  it("that the user's system remaps stay down although the browser denies them", () => {
    const { keyboard, log } = bench();
    keyboard.down(input("ControlLeft", { modifiers: { ...NONE, Alt: true } }));
    keyboard.down(input("KeyA", { modifiers: { ...NONE, Alt: true } }));
    keyboard.up(input("KeyA", { modifiers: { ...NONE, Alt: true } }));
    expect(log).toEqual(["+ControlLeft", "+KeyA", "-KeyA"]);
  });

  it("are released by a look at the mouse, too", () => {
    const { keyboard, down } = bench();
    keyboard.down(input("MetaLeft"));
    keyboard.observe({ ...NONE, Meta: true });
    expect([...down]).toEqual(["MetaLeft"]);
    keyboard.observe(NONE);
    expect(down.size).toBe(0);
  });
});

describe("systems that hide releases", () => {
  const cmd = { ...NONE, Meta: true };

  it("macOS with Cmd: the key is clicked", () => {
    const { keyboard, log, down } = bench("mac");
    keyboard.down(input("MetaLeft", { modifiers: cmd }));
    keyboard.down(input("KeyC", { modifiers: cmd }));
    keyboard.down(input("KeyC", { modifiers: cmd, repeat: true }));
    keyboard.up(input("MetaLeft"));
    expect(log).toEqual(["+MetaLeft", "+KeyC", "-KeyC", "-MetaLeft"]);
    expect(down.size).toBe(0);
  });

  it("macOS with a key that was down before Cmd", () => {
    const { keyboard, down } = bench("mac");
    keyboard.down(input("KeyA"));
    keyboard.down(input("ShiftLeft", { modifiers: { ...NONE, Shift: true } }));
    keyboard.down(input("MetaLeft", { modifiers: { ...cmd, Shift: true } }));
    keyboard.up(input("MetaLeft", { modifiers: { ...NONE, Shift: true } }));
    expect([...down]).toEqual(["ShiftLeft"]);
  });

  it("macOS with Caps Lock: a click for on, a click for off", () => {
    const { keyboard, log } = bench("mac");
    keyboard.down(input("CapsLock"));
    keyboard.up(input("CapsLock"));
    expect(log).toEqual(["+CapsLock", "-CapsLock", "+CapsLock", "-CapsLock"]);
  });

  it("Windows with Print Screen: only the release is seen", () => {
    const { keyboard, log } = bench();
    keyboard.up(input("PrintScreen"));
    expect(log).toEqual(["+PrintScreen", "-PrintScreen"]);
  });

  it("elsewhere Cmd is a modifier like others", () => {
    const { keyboard, log } = bench();
    keyboard.down(input("MetaLeft", { modifiers: cmd }));
    keyboard.down(input("KeyE", { modifiers: cmd }));
    keyboard.up(input("KeyE", { modifiers: cmd }));
    keyboard.up(input("MetaLeft"));
    expect(log).toEqual(["+MetaLeft", "+KeyE", "-KeyE", "-MetaLeft"]);
  });
});

describe("AltGr on Windows", () => {
  const altGr = (): KeyInput => input("AltRight", { altGraph: true, modifiers: { ...NONE, Alt: true } });

  it("is no Ctrl", () => {
    const { keyboard, log, wait } = bench("windows");
    keyboard.down(input("ControlLeft", { modifiers: { ...NONE, Control: true } }));
    keyboard.down(altGr());
    wait();
    keyboard.down(input("KeyQ", { modifiers: { ...NONE, Alt: true } }));
    keyboard.down(input("ControlLeft", { repeat: true, modifiers: { ...NONE, Alt: true } }));
    keyboard.down({ ...altGr(), repeat: true });
    keyboard.up(input("KeyQ", { modifiers: { ...NONE, Alt: true } }));
    keyboard.up(input("ControlLeft", { modifiers: { ...NONE, Alt: true } }));
    keyboard.up(input("AltRight", { altGraph: true }));
    expect(log).toEqual(["+AltRight", "+KeyQ", "-KeyQ", "-AltRight"]);
  });

  it("leaves a Ctrl that is one", () => {
    const { keyboard, log, wait } = bench("windows");
    keyboard.down(input("ControlLeft"));
    expect(log).toEqual([]);
    wait();
    expect(log).toEqual(["+ControlLeft"]);
    keyboard.down(input("KeyC"));
    keyboard.up(input("KeyC"));
    keyboard.up(input("ControlLeft"));
    expect(log).toEqual(["+ControlLeft", "+KeyC", "-KeyC", "-ControlLeft"]);
  });

  it("lets a quick Ctrl come before what follows it", () => {
    const { keyboard, log, wait } = bench("windows");
    keyboard.down(input("ControlLeft"));
    keyboard.down(input("KeyC"));
    keyboard.up(input("ControlLeft"));
    keyboard.up(input("KeyC"));
    keyboard.down(input("ControlLeft"));
    keyboard.up(input("ControlLeft"));
    keyboard.down(input("ControlLeft"));
    keyboard.observe(NONE);
    keyboard.releaseAll();
    keyboard.down(input("ControlLeft"));
    keyboard.forget();
    wait();
    expect(log).toEqual(
      ["+ControlLeft", "+KeyC", "-ControlLeft", "-KeyC"].concat(
        ["+ControlLeft", "-ControlLeft"],
        ["+ControlLeft", "-ControlLeft"],
      ),
    );
  });
});

describe("left Ctrl and left Alt alone", () => {
  it.each([
    [["+ControlLeft", "+AltLeft", "-AltLeft", "-ControlLeft"], 1],
    [["+AltLeft", "+ControlLeft", "-AltLeft", "-ControlLeft"], 1],
    [["+ControlLeft", "+AltLeft", "+Delete", "-Delete", "-AltLeft", "-ControlLeft"], 0],
    [["+ControlLeft", "-ControlLeft", "+AltLeft", "-AltLeft"], 0],
    [["+ControlLeft", "+AltRight", "-AltRight", "-ControlLeft"], 0],
  ])("%j gives the keyboard back %i times", (steps, times) => {
    const { keyboard, left, down } = bench();
    for (const step of steps) {
      keyboard[step.startsWith("+") ? "down" : "up"](input(step.slice(1)));
    }
    expect(left.count).toBe(times);
    expect(down.size).toBe(0);
  });
});

it("holds no key after any sequence that ends with a blur", () => {
  // A linear congruential generator: the same thousand sequences at every run.
  let seed = 20260101;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const codes = [
    "KeyA",
    "KeyB",
    "Enter",
    "ShiftLeft",
    "ControlLeft",
    "AltRight",
    "MetaLeft",
    "CapsLock",
    "PrintScreen",
  ];
  const systems = ["mac", "windows", "linux"] as const;
  let pressed = 0;
  for (let run = 0; run < 1_000; run++) {
    const { keyboard, down, log, wait } = bench(systems[run % systems.length]);
    for (let step = 0; step < 40; step++) {
      const event = input(codes[random(codes.length)] ?? "KeyA", {
        repeat: random(4) === 0,
        altGraph: random(4) === 0,
        modifiers: {
          Control: random(2) === 0,
          Shift: random(2) === 0,
          Alt: random(2) === 0,
          Meta: random(4) === 0,
        },
      });
      [() => keyboard.down(event), () => keyboard.up(event), () => keyboard.observe(event.modifiers), wait][
        random(4)
      ]?.();
      expect([...down].sort()).toEqual([...keyboard.held].sort());
    }
    pressed += log.filter((entry) => entry.startsWith("+")).length;
    keyboard.releaseAll();
    wait();
    expect(down.size).toBe(0);
  }
  expect(pressed).toBeGreaterThan(5_000);
});
