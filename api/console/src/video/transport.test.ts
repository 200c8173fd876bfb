import { describe, expect, it } from "vitest";
import { type Abilities, chooseTransport, codecOf } from "./transport";

const both = { h264: { profile_level_id: "42E01F" }, jpeg: {} };
const able: Abilities = { webCodecs: true, h264: true, h264Failures: 0 };

describe("the transport", () => {
  it.each([
    [both, able, "h264", null],
    [{ jpeg: {} }, able, "jpeg", "h264_not_offered"],
    [both, { ...able, webCodecs: false }, "jpeg", "no_webcodecs"],
    [both, { ...able, h264: false }, "jpeg", "h264_not_supported"],
    [both, { ...able, h264Failures: 2 }, "h264", null],
    [both, { ...able, h264Failures: 3 }, "jpeg", "h264_failed"],
    [{ h264: {} }, { ...able, webCodecs: false }, "mjpeg", "jpeg_not_offered"],
    [{}, able, "mjpeg", "jpeg_not_offered"],
  ])("for %j and %j is %s", (offer, abilities, transport, hindrance) => {
    expect(chooseTransport(offer, abilities)).toEqual({ transport, hindrance });
  });

  it.each([
    [both, "mjpeg", "mjpeg", "chosen"],
    [both, "jpeg", "jpeg", "chosen"],
    [both, "h264", "h264", null],
    [{ jpeg: {} }, "h264", "jpeg", "h264_not_offered"],
    [{ h264: both.h264 }, "jpeg", "h264", null],
  ] as const)("for %j is what was asked for, %s, if it can be", (offer, wish, transport, hindrance) => {
    expect(chooseTransport(offer, able, wish)).toEqual({ transport, hindrance });
  });

  it("names the codec as WebCodecs does", () => {
    expect(codecOf(both)).toBe("avc1.42E01F");
    expect(codecOf({ jpeg: {} })).toBeNull();
    expect(codecOf({ h264: { profile_level_id: 1 } })).toBeNull();
  });
});
