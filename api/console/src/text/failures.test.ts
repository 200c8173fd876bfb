import { describe, expect, it } from "vitest";
import { ApiError } from "../net/api";
import { en } from "./en";
import { actionFailure, loginFailure } from "./failures";

describe("a failed login", () => {
  it.each([
    [new ApiError(400, "ValidatorError", "x"), /lower-case/],
    [new ApiError(403, "ForbiddenError", "x"), /Wrong user name, password or one-time code/],
    [new ApiError(429, "", "", 30), /in 30 s/],
    [new ApiError(429, "", ""), /Wait a while/],
    [new ApiError(0, "", "Failed to fetch"), /does not answer/],
    [new ApiError(502, "", ""), /502/],
  ])("%j says what is wrong", (error, expected) => {
    expect(loginFailure(en, error)).toMatch(expected);
  });
});

it("a failed action says which and why", () => {
  expect(actionFailure(en, "Reset", new ApiError(409, "AtxIsBusyError", "x"))).toMatch(
    /^Reset: .*Wait a moment/,
  );
  expect(actionFailure(en, "Reset", new ApiError(400, "AtxDisabledError", "ATX is off"))).toBe(
    "Reset: ATX is off",
  );
  expect(actionFailure(en, "Reset", new ApiError(502, "", ""))).toMatch(/^Reset: .*502/);
  expect(actionFailure(en, "Reset", new ApiError(0, "", ""))).toMatch(/^Reset: .*does not answer/);
});
