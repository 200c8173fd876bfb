import { expect, it } from "vitest";
import type { SwitchPort, SwitchState } from "../../state/types/switch";
import { colourParam, edidNames, hexOf, portName } from "./words";

it("writes colours both ways", () => {
  const colour = { red: 228, green: 44, blue: 156, brightness: 255, blink_ms: 250 };
  expect(hexOf(colour)).toBe("#e42c9c");
  expect(colourParam("#ffa500", colour)).toBe("FFA500:FF:00FA");
});

it("names ports", () => {
  const port = { id: "2.1", name: "" } as SwitchPort;
  expect(portName(port)).toBe("Port 2.1");
  expect(portName({ ...port, name: "db" })).toBe("db");
});

it("puts the default EDID first", () => {
  const edid = (name: string) => ({ name, data: "", parsed: null });
  const state = {
    edids: { all: { b: edid("Beta"), a: edid("Alpha"), default: edid("Default") }, used: [] },
  } as unknown as SwitchState;
  expect(edidNames(state).map(([id]) => id)).toEqual(["default", "a", "b"]);
});
