import { expect, it } from "vitest";
import { hashOf, routeOf } from "./route";

it.each([
  ["", "", ""],
  ["#", "", ""],
  ["#/", "", ""],
  ["#/drives", "drives", ""],
  ["#drives", "drives", ""],
  ["#/system/log", "system", "log"],
  ["#/system/log/more", "system", "log"],
])("%j leads to %j and %j", (hash, panel, page) => {
  expect(routeOf(hash)).toEqual({ panel, page });
  expect(routeOf(hashOf({ panel, page }))).toEqual({ panel, page });
});
