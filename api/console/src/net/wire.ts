/**
 * The binary messages from client to server (contract websocket.md 1.6). Big-endian. Pure: values in, bytes
 * out; nothing here knows a socket.
 */

export type Bytes = Uint8Array<ArrayBuffer>;

/** Names as the contract has them: `up` is the "back" button, `down` the "forward" button. */
export type ButtonName = "left" | "right" | "middle" | "up" | "down";

/** One report's worth of relative movement or wheel: each in -127..127. */
export type Delta = readonly [dx: number, dy: number];

const OP_PING = 0x00;
const OP_KEY = 0x01;
const OP_BUTTON = 0x02;
const OP_MOVE = 0x03;
const OP_RELATIVE = 0x04;
const OP_WHEEL = 0x05;

const FLAG_PRESSED = 0x01;

/** The whole of the server's answer to a ping. */
const PONG = 0xff;

function named(op: number, flags: number, name: string): Bytes {
  const bytes = new Uint8Array(2 + name.length);
  bytes[0] = op;
  bytes[1] = flags;
  for (let i = 0; i < name.length; i++) {
    bytes[2 + i] = name.charCodeAt(i);
  }
  return bytes;
}

function deltas(op: number, list: readonly Delta[]): Bytes {
  const bytes = new Uint8Array(2 + 2 * list.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = op;
  list.forEach(([dx, dy], index) => {
    view.setInt8(2 + 2 * index, dx);
    view.setInt8(3 + 2 * index, dy);
  });
  return bytes;
}

export function encodePing(): Bytes {
  return new Uint8Array([OP_PING]);
}

/** A key by its `KeyboardEvent.code`. */
export function encodeKey(code: string, pressed: boolean): Bytes {
  return named(OP_KEY, pressed ? FLAG_PRESSED : 0, code);
}

export function encodeButton(name: ButtonName, pressed: boolean): Bytes {
  return named(OP_BUTTON, pressed ? FLAG_PRESSED : 0, name);
}

/** Absolute position, both in -32768..32767; (0, 0) is the centre, y goes down. */
export function encodeMove(x: number, y: number): Bytes {
  const bytes = new Uint8Array(5);
  const view = new DataView(bytes.buffer);
  bytes[0] = OP_MOVE;
  view.setInt16(1, x);
  view.setInt16(3, y);
  return bytes;
}

/** Relative movements, one report each. */
export function encodeRelative(list: readonly Delta[]): Bytes {
  return deltas(OP_RELATIVE, list);
}

/** Wheel steps, one report each; positive y scrolls up. */
export function encodeWheel(list: readonly Delta[]): Bytes {
  return deltas(OP_WHEEL, list);
}

export function isPong(data: ArrayBuffer): boolean {
  return data.byteLength === 1 && new Uint8Array(data)[0] === PONG;
}
