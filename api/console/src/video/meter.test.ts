import { describe, expect, it } from "vitest";
import { Meter } from "./meter";

const times = { captured: 100, dequeued: 100.01, encodeBegin: 100.01, encodeEnd: 100.02, sent: 100.025 };

describe("the meter", () => {
  it("counts frames and bits, and tells the medians", () => {
    const meter = new Meter();
    for (const late of [0.03, 0.04, 0.5]) {
      meter.received(50_000);
      // The page's clock is 60 s behind the appliance's.
      meter.painted(40 + late, times, 60);
    }
    const { reading, latencies } = meter.take(1);
    expect(reading).toEqual({
      fps: 3,
      kbps: 1200,
      captureToPaintMs: 40,
      encodedMs: 20,
      sentMs: 5,
      shownMs: 15,
    });
    expect(latencies.map((each) => Math.round(each * 1_000))).toEqual([30, 40, 500]);
  });

  it("knows no latency without times or without the appliance's clock", () => {
    const meter = new Meter();
    meter.painted(40, null, 60);
    meter.painted(40, times, null);
    const { reading, latencies } = meter.take(2);
    expect(reading.fps).toBe(1);
    expect(reading.captureToPaintMs).toBeNull();
    expect(latencies).toEqual([]);
  });

  it("begins anew each time", () => {
    const meter = new Meter();
    meter.received(1_000);
    meter.painted(40, times, 60);
    meter.take(1);
    expect(meter.take(1).reading).toMatchObject({ fps: 0, kbps: 0, captureToPaintMs: null });
  });
});
