import { expect, it } from "vitest";
import { HidOutput } from "../hid/output";
import type { Step } from "../hid/step";
import { parseBook } from "./macro";
import { type Clock, Player, Recorder } from "./player";

const TEXT = "macro m\nkey KeyA down\nwait 100\nkey KeyB down\nkey KeyA up\nkey KeyB up\nbutton left down";

function bench(onSleep: (ms: number, bench: { player: Player }) => void = () => undefined) {
  const sent: Step[] = [];
  const slept: number[] = [];
  const hid = new HidOutput(() => undefined);
  hid.watch((step) => sent.push(step));
  const state = { online: true };
  const clock: Clock = {
    now: () => 0,
    sleep: async (ms, stop) => {
      slept.push(ms);
      onSleep(ms, { player });
      stop.throwIfAborted();
    },
  };
  const player = new Player(hid, clock, () => state.online);
  const held = (): string[] => {
    const names = new Set<string>();
    for (const step of sent) {
      if (step.kind === "key" || step.kind === "button") {
        step.pressed ? names.add(step.name) : names.delete(step.name);
      }
    }
    return [...names];
  };
  return { player, sent, slept, held, state, hid };
}

const [macro] = parseBook(TEXT).macros;
if (macro === undefined) {
  throw new Error("expected a macro");
}

it("plays all rounds at a speed, and leaves nothing held", async () => {
  const { player, sent, slept, held } = bench();
  expect(await player.play(macro, 3, 2)).toBe("finished");
  expect(slept).toEqual([50, 50, 50]);
  expect(sent.filter((step) => step.kind === "key").length).toBe(12);
  expect(held()).toEqual([]);
  expect(player.replay.value).toBeNull();
});

it("releases what it holds when it is stopped", async () => {
  const { player, held, sent } = bench((_ms, { player: running }) => running.stop());
  expect(await player.play(macro, 1, 1)).toBe("stopped");
  expect(sent.map((step) => (step.kind === "key" ? [step.name, step.pressed] : []))).toEqual([
    ["KeyA", true],
    ["KeyA", false],
  ]);
  expect(held()).toEqual([]);
});

it("ends with the connection", async () => {
  const own = bench(() => {
    own.state.online = false;
  });
  expect(await own.player.play(macro, 5, 1)).toBe("disconnected");
  expect(own.sent.length).toBe(2);
});

it("ends with a connection that was back before anybody looked", async () => {
  const own = bench(() => own.hid.forget());
  expect(await own.player.play(macro, 5, 1)).toBe("disconnected");
  expect(own.sent.filter((step) => step.kind === "key" && step.pressed).length).toBe(1);
});

it("records steps with their pauses, and lets go what is held at the end", () => {
  let now = 1_000;
  const hid = new HidOutput(() => undefined);
  const recorder = new Recorder(hid, { now: () => now, sleep: () => Promise.resolve() });
  hid.do({ kind: "key", name: "ShiftLeft", pressed: true });
  now += 120.4;
  hid.do({ kind: "key", name: "KeyA", pressed: true });
  hid.do({ kind: "key", name: "KeyA", pressed: false });
  expect(recorder.finish()).toEqual([
    { kind: "key", name: "ShiftLeft", pressed: true },
    { kind: "wait", ms: 120 },
    { kind: "key", name: "KeyA", pressed: true },
    { kind: "key", name: "KeyA", pressed: false },
    { kind: "key", name: "ShiftLeft", pressed: false },
  ]);
  hid.do({ kind: "key", name: "KeyB", pressed: true });
  expect(recorder.count).toBe(5);
});
