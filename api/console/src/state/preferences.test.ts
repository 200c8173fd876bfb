import { beforeEach, expect, it, vi } from "vitest";
import { asBoolean, asNumber, asOneOf, preference } from "./preferences";

const storage = new Map<string, string>();

beforeEach(() => {
  storage.clear();
  vi.stubGlobal("localStorage", {
    getItem: (name: string) => storage.get(name) ?? null,
    setItem: (name: string, value: string) => storage.set(name, value),
  });
});

it("keeps what was chosen, and only that", () => {
  const sound = preference("sound", false, asBoolean);
  expect(storage.size).toBe(0);
  sound.value = true;
  expect(preference("sound", false, asBoolean).value).toBe(true);
});

it.each(["", "{", '"yes"', "null"])("falls back where %j is kept", (rubbish) => {
  storage.set("farhand.sound", rubbish);
  expect(preference("sound", false, asBoolean).value).toBe(false);
});

it("works where nothing can be kept", () => {
  const refuse = (): never => {
    throw new DOMException("The operation is insecure.", "SecurityError");
  };
  vi.stubGlobal("localStorage", { getItem: refuse, setItem: refuse });
  const sound = preference("sound", false, asBoolean);
  sound.value = true;
  expect(sound.value).toBe(true);
});

it("parses", () => {
  expect(asOneOf("a", "b")("b")).toBe("b");
  expect(asOneOf("a", "b")("c")).toBeUndefined();
  expect(asNumber(1, 2)(2)).toBe(2);
  expect(asNumber(1, 2)(3)).toBeUndefined();
  expect(asNumber(1, 2)("2")).toBeUndefined();
});
