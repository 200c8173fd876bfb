import { expect, it } from "vitest";
import { isName } from "./passkeys";

it.each([
  ["kvm.example.org", true],
  ["kvm", true],
  ["localhost", true],
  ["192.0.2.7", false],
  ["[2001:db8::1]", false],
  ["", false],
])("a passkey can be made for %j: %j", (host, expected) => {
  expect(isName(host)).toBe(expected);
});
