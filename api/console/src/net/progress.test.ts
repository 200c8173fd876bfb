import { expect, it } from "vitest";
import { ApiError } from "./api";
import { checkLine, Lines } from "./progress";

it("puts lines together, wherever they are cut", () => {
  const text = '{"ok": true}\r\n{"ok": false}\r\n';
  for (let cut = 0; cut <= text.length; cut++) {
    const lines = new Lines();
    expect([...lines.push(text.slice(0, cut)), ...lines.push(text.slice(cut))]).toEqual([
      '{"ok": true}',
      '{"ok": false}',
    ]);
  }
});

it("keeps what has no end yet", () => {
  expect(new Lines().push('{"ok"')).toEqual([]);
});

it("throws what a line says", () => {
  checkLine('{"ok": true, "result": {}}');
  const line = '{"ok": false, "result": {"error": "MsdDigestMismatchError", "error_msg": "it differs"}}';
  expect(() => checkLine(line)).toThrow(new ApiError(200, "MsdDigestMismatchError", "it differs"));
});
