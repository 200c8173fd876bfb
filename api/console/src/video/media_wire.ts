/**
 * The messages of the media socket (contract websocket.md 2, and docs/video.md "Latency"). Big-endian. Pure:
 * values in, bytes out and back.
 */

import type { Bytes } from "../net/wire";

/** Formats by name, with what a decoder has to know. */
export type Offer = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** When a frame passed each stage, in seconds of the appliance's clock. */
export interface FrameTimes {
  readonly captured: number;
  readonly dequeued: number;
  readonly encodeBegin: number;
  readonly encodeEnd: number;
  readonly sent: number;
}

export type ServerMessage =
  | { readonly kind: "offer"; readonly formats: Offer }
  | { readonly kind: "frame"; readonly key: boolean; readonly data: Uint8Array<ArrayBuffer> }
  | { readonly kind: "times"; readonly times: FrameTimes }
  | { readonly kind: "clock"; readonly asked: number; readonly received: number; readonly answered: number }
  | { readonly kind: "pong" }
  | { readonly kind: "unknown" };

const PING = 0x00;
const KEY_FRAME = 0x01;
const CLOCK = 0x02;

const FRAME = 0x01;
const TIMES = 0x02;
const CLOCK_ANSWER = 0x03;
const PONG = 0xff;

const TIMES_BYTES = 1 + 5 * 8;
const CLOCK_ANSWER_BYTES = 1 + 3 * 8;

const UNKNOWN: ServerMessage = { kind: "unknown" };

export function encodeStart(format: string): string {
  return JSON.stringify({ event_type: "start", event: { type: "video", format, timing: true } });
}

/** How many seconds after their capture frames were shown; the appliance takes 120 at most. */
export function encodePainted(latencies: readonly number[]): string {
  return JSON.stringify({ event_type: "painted", event: { latency_s: latencies.slice(-120) } });
}

export function encodePing(): Bytes {
  return new Uint8Array([PING]);
}

export function encodeKeyFrameWanted(): Bytes {
  return new Uint8Array([KEY_FRAME]);
}

/** The question for the appliance's clock; `now` comes back with the answer. */
export function encodeClockQuestion(now: number): Bytes {
  const bytes = new Uint8Array(9);
  bytes[0] = CLOCK;
  new DataView(bytes.buffer).setFloat64(1, now);
  return bytes;
}

export function decodeMessage(data: string | ArrayBuffer): ServerMessage {
  return typeof data === "string" ? decodeText(data) : decodeBinary(data);
}

function decodeText(text: string): ServerMessage {
  let message: { event_type?: unknown; event?: { video?: unknown } } | null;
  try {
    message = JSON.parse(text) as typeof message;
  } catch {
    return UNKNOWN;
  }
  const formats = message?.event_type === "media" ? message.event?.video : undefined;
  return typeof formats === "object" && formats !== null
    ? { kind: "offer", formats: formats as Offer }
    : UNKNOWN;
}

function decodeBinary(data: ArrayBuffer): ServerMessage {
  const view = new DataView(data);
  if (data.byteLength === 0) {
    return UNKNOWN;
  }
  const number = (index: number) => view.getFloat64(1 + index * 8);
  switch (view.getUint8(0)) {
    case FRAME:
      return data.byteLength < 2
        ? UNKNOWN
        : { kind: "frame", key: view.getUint8(1) !== 0, data: new Uint8Array(data, 2) };
    case TIMES:
      return data.byteLength < TIMES_BYTES
        ? UNKNOWN
        : {
            kind: "times",
            times: {
              captured: number(0),
              dequeued: number(1),
              encodeBegin: number(2),
              encodeEnd: number(3),
              sent: number(4),
            },
          };
    case CLOCK_ANSWER:
      return data.byteLength < CLOCK_ANSWER_BYTES
        ? UNKNOWN
        : { kind: "clock", asked: number(0), received: number(1), answered: number(2) };
    case PONG:
      return { kind: "pong" };
    default:
      return UNKNOWN;
  }
}
