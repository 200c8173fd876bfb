import { describe, expect, it } from "vitest";
import {
  decodeMessage,
  encodeClockQuestion,
  encodeKeyFrameWanted,
  encodePainted,
  encodePing,
  encodeStart,
} from "./media_wire";

function message(op: number, ...numbers: number[]): ArrayBuffer {
  const buffer = new ArrayBuffer(1 + 8 * numbers.length);
  const view = new DataView(buffer);
  view.setUint8(0, op);
  numbers.forEach((each, index) => view.setFloat64(1 + 8 * index, each));
  return buffer;
}

describe("messages of the media socket", () => {
  it("to the appliance", () => {
    expect(JSON.parse(encodeStart("h264"))).toEqual({
      event_type: "start",
      event: { type: "video", format: "h264", timing: true },
    });
    expect([...encodePing()]).toEqual([0]);
    expect([...encodeKeyFrameWanted()]).toEqual([1]);
    const question = encodeClockQuestion(1.5);
    expect(question[0]).toBe(2);
    expect(new DataView(question.buffer).getFloat64(1)).toBe(1.5);
    const many = Array.from({ length: 500 }, (_, index) => index);
    expect(JSON.parse(encodePainted(many)).event.latency_s).toEqual(many.slice(380));
  });

  it("from the appliance", () => {
    expect(decodeMessage('{"event_type":"media","event":{"video":{"jpeg":{}}}}')).toEqual({
      kind: "offer",
      formats: { jpeg: {} },
    });
    expect(decodeMessage(new Uint8Array([1, 1, 9, 8]).buffer)).toEqual({
      kind: "frame",
      key: true,
      data: new Uint8Array([9, 8]),
    });
    expect(decodeMessage(message(2, 1, 2, 3, 4, 5))).toEqual({
      kind: "times",
      times: { captured: 1, dequeued: 2, encodeBegin: 3, encodeEnd: 4, sent: 5 },
    });
    expect(decodeMessage(message(3, 1, 2, 3))).toEqual({ kind: "clock", asked: 1, received: 2, answered: 3 });
    expect(decodeMessage(new Uint8Array([255]).buffer)).toEqual({ kind: "pong" });
  });

  it.each(["", "x", "null", "[]", '{"event_type":"media"}', '{"event_type":"loop","event":{"video":{}}}'])(
    "does not stumble over %j",
    (text) => {
      expect(decodeMessage(text)).toEqual({ kind: "unknown" });
    },
  );

  it.each([[[]], [[1]], [[2, 0]], [[3, 0]], [[7, 7]]])("nor over %j", (bytes) => {
    expect(decodeMessage(new Uint8Array(bytes).buffer)).toEqual({ kind: "unknown" });
  });
});
