import { describe, expect, it } from "vitest";
import {
  type Bytes,
  encodeButton,
  encodeKey,
  encodeMove,
  encodePing,
  encodeRelative,
  encodeWheel,
  isPong,
} from "./wire";

function hex(bytes: Bytes): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The examples of the contract (websocket.md 1.6 and the `ws_binary` vectors). */
describe("binary messages", () => {
  it.each([
    [encodePing(), "00"],
    [encodeKey("KeyA", true), "01014b657941"],
    [encodeKey("KeyA", false), "01004b657941"],
    [encodeButton("left", true), "02016c656674"],
    [encodeButton("up", false), "02007570"],
    [encodeMove(0, 0), "0300000000"],
    [encodeMove(-32768, 32767), "0380007fff"],
    [encodeRelative([[5, 10]]), "0400050a"],
    [
      encodeRelative([
        [-127, -1],
        [127, 1],
      ]),
      "040081ff7f01",
    ],
    [encodeWheel([[0, -5]]), "050000fb"],
  ])("%# are the contract's bytes", (bytes, expected) => {
    expect(hex(bytes)).toBe(expected);
  });

  it("knows the pong", () => {
    expect(isPong(new Uint8Array([255]).buffer)).toBe(true);
    expect(isPong(new Uint8Array([254]).buffer)).toBe(false);
    expect(isPong(new Uint8Array([255, 255]).buffer)).toBe(false);
    expect(isPong(new ArrayBuffer(0))).toBe(false);
  });
});
