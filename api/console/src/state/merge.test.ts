import { describe, expect, it } from "vitest";
import { mergeEvent } from "./merge";

const ATX = {
  enabled: true,
  busy: false,
  acts: { power: false, reset: false },
  leds: { power: true, hdd: false },
};
const OUTPUTS = { available: ["usb", "usb_rel"], active: "usb" };
const HID = {
  enabled: true,
  online: true,
  busy: false,
  connected: null,
  keyboard: {
    online: true,
    leds: { caps: false, scroll: false, num: false },
    outputs: { available: [], active: "" },
  },
  mouse: { online: true, absolute: true, outputs: OUTPUTS },
};

describe("events", () => {
  it("replace the keys they hold and leave the others", () => {
    const next = mergeEvent("atx", ATX, { leds: { power: false, hdd: false } });
    expect(next).toEqual({ ...ATX, leds: { power: false, hdd: false } });
    expect(ATX.leds.power).toBe(true);
  });

  it("replace a member as a whole where nothing else is stated", () => {
    expect(mergeEvent("atx", ATX, { leds: { power: false } })).toEqual({ ...ATX, leds: { power: false } });
  });

  it("take null for a value", () => {
    const before = { features: {}, params: { quality: 80 }, streamer: { source: { online: true } } };
    expect(mergeEvent("streamer", before, { streamer: null })).toEqual({ ...before, streamer: null });
    expect(mergeEvent("info", { meta: { a: 1 } }, { meta: null })).toEqual({ meta: null });
  });

  it("of the HID merge one level deeper in keyboard and mouse", () => {
    const next = mergeEvent("hid", HID, { keyboard: { leds: { caps: true, scroll: false, num: true } } });
    expect(next).toMatchObject({
      keyboard: { online: true, leds: { caps: true, num: true } },
      mouse: HID.mouse,
    });
  });

  it("of the drive merge one level deeper in storage unless they are full", () => {
    const before = {
      enabled: true,
      online: true,
      busy: false,
      drive: { image: null },
      storage: { images: { a: 1 }, uploading: null },
    };
    const up = { name: "a.img", size: 3, written: 0 };
    expect(mergeEvent("msd", before, { storage: { uploading: up } })).toEqual({
      ...before,
      storage: { images: { a: 1 }, uploading: up },
    });
    const offline = { enabled: true, online: false, busy: false, drive: null, storage: null };
    expect(mergeEvent("msd", before, offline)).toEqual(offline);
    expect(mergeEvent("msd", offline, before)).toEqual(before);
  });

  it("of the GPIO hold only the changed channels, each complete", () => {
    const led = { online: true, state: false };
    const before = {
      model: { scheme: {} },
      state: { inputs: { led1: led, led2: led }, outputs: { relay: { ...led, busy: false } } },
    };
    const next = mergeEvent("gpio", before, { state: { inputs: { led1: { online: true, state: true } } } });
    expect(next).toEqual({
      model: before.model,
      state: { inputs: { led1: { online: true, state: true }, led2: led }, outputs: before.state.outputs },
    });
  });

  it("with a model replace everything a switch was", () => {
    const before = { model: { ports: [1] }, summary: { active_port: 1 }, beacons: {} };
    expect(mergeEvent("switch", before, { model: { ports: [] } })).toEqual({ model: { ports: [] } });
  });

  it("mean nothing before the first full state", () => {
    expect(mergeEvent("atx", null, { leds: { power: true, hdd: false } })).toBeNull();
    expect(mergeEvent("hid", null, { enabled: false })).toBeNull();
    expect(mergeEvent("streamer", null, { streamer: null })).toBeNull();
    expect(mergeEvent("atx", null, ATX)).toEqual(ATX);
    expect(mergeEvent("clients", null, { count: 1 })).toEqual({ count: 1 });
  });
});
