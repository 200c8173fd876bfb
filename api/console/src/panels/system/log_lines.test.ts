import { expect, it } from "vitest";
import { LINES_KEPT, LogLines, matching } from "./log_lines";

it("puts lines together and keeps the last ones", () => {
  const log = new LogLines();
  log.push("one\r\ntw");
  log.push("o\r\nthr");
  expect(log.lines).toEqual(["one", "two"]);
  log.push("ee\n".repeat(LINES_KEPT));
  expect(log.lines.length).toBe(LINES_KEPT);
  expect(log.dropped).toBe(2);
  log.clear();
  expect(log.lines).toEqual([]);
});

it("shows those with all words", () => {
  const lines = ["[a hid] --- keyboard OFFLINE", "[b atx] --- offline", "[c hid] --- online"];
  expect(matching(lines, "")).toBe(lines);
  expect(matching(lines, "  offline HID ")).toEqual([lines[0]]);
});
