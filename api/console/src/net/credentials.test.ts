import { expect, it } from "vitest";
import { passwdField } from "./credentials";

it.each([
  ["secret", "", "secret"],
  ["secret", "  ", "secret"],
  ["secret", "123456", "secret123456"],
  [" se cret ", "123 456", " se cret 123456"],
  ["", "123456", "123456"],
  ["secret", "kq3v-7xwa-m2cd-zz5p", "secretkq3v-7xwa-m2cd-zz5p"],
  ["secret", " KQ3V-7XWA-M2CD-ZZ5P ", "secretkq3v-7xwa-m2cd-zz5p"],
  ["secret", "kq3v-7xwa-m2cd", null],
  ["secret", "12345", null],
  ["secret", "1234567", null],
  ["secret", "12345a", null],
])("password %j with code %j is %j", (password, code, expected) => {
  expect(passwdField(password, code)).toBe(expected);
});
