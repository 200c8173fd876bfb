import { expect, it } from "vitest";
import { Appliance } from "./appliance";

const ATX = {
  enabled: true,
  busy: false,
  acts: { power: false, reset: false },
  leds: { power: true, hdd: false },
};

it("shows the old state after a reconnect until the new full one, and merges nothing into it", () => {
  const appliance = new Appliance();
  const { atx } = appliance.states;
  appliance.apply("atx", { leds: { power: true, hdd: true } });
  expect(atx.value).toBeNull();
  appliance.apply("atx", ATX);
  appliance.apply("atx", { leds: { power: true, hdd: true } });
  expect(atx.value?.leds.hdd).toBe(true);

  appliance.restart();
  appliance.apply("atx", { leds: { power: false, hdd: false } });
  expect(atx.value?.leds.hdd).toBe(true);
  appliance.apply("atx", { ...ATX, enabled: false });
  expect(atx.value).toEqual({ ...ATX, enabled: false });
});

it("gathers the categories of the information, one event each", () => {
  const appliance = new Appliance();
  appliance.apply("info", { node: { host: "rack-7" } });
  appliance.apply("info", { meta: null });
  appliance.apply("nothing known", { a: 1 });
  expect(appliance.states.info.value).toEqual({ node: { host: "rack-7" }, meta: null });
});
