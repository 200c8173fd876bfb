import { expect, it } from "vitest";
import { trailRecord } from "./trail";

it("shows who did what, when and from where", () => {
  const line =
    '{"n":2,"at":"2026-11-27T23:45:36.581+00:00","what":"POST /api/atx/click","who":"admin","how":"basic",' +
    '"from":"192.0.2.1","status":200,"with":{"button":"power"},"prev":"00","hash":"4a"}';
  expect(trailRecord(line)).toEqual({
    n: 2,
    at: "2026-11-27T23:45:36.581+00:00",
    what: "POST /api/atx/click",
    who: "admin",
    from: "192.0.2.1",
    detail: "status=200 button=power",
  });
});

it("shows what nobody did, and counts", () => {
  const record = trailRecord(
    '{"n":1,"at":"x","what":"session closed","seconds":5,"input":{"key":7,"wheel":1}}',
  );
  expect(record).toMatchObject({ who: "", from: "", detail: "seconds=5 input=key=7 wheel=1" });
});

it.each(["", "[]", "no JSON", '{"n":"1"}'])("knows what is no record: %j", (line) => {
  expect(trailRecord(line)).toBe(null);
});
