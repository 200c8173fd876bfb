import { expect, it } from "vitest";
import type { GpioItem, GpioState } from "../../state/types/gpio";
import { hasChannels, lampOf, titleOf } from "./view";

function gpio(title: GpioItem[], table: (GpioItem[] | null)[]): GpioState {
  return {
    model: { scheme: { inputs: {}, outputs: {} }, view: { header: { title }, table } },
    state: { inputs: {}, outputs: {} },
  };
}

it("joins the title's words", () => {
  const words: GpioItem[] = [
    { type: "label", text: "Rack" },
    { type: "input", channel: "led", color: "red" },
    { type: "label", text: "7" },
  ];
  expect(titleOf(gpio(words, []))).toBe("Rack 7");
});

it("tells an empty table from one with channels", () => {
  expect(hasChannels(null)).toBe(false);
  expect(hasChannels(gpio([], []))).toBe(false);
  expect(hasChannels(gpio([], [null, []]))).toBe(false);
  expect(hasChannels(gpio([], [[{ type: "label", text: "x" }]]))).toBe(true);
});

it("knows the contract's colours", () => {
  expect(lampOf("magenta")).toBe("magenta");
  expect(lampOf("no such colour")).toBe("green");
});
