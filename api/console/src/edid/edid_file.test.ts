import { expect, it } from "vitest";
import { hexOfFile } from "./edid_file";

it("takes bytes and digits", () => {
  const bytes = new Uint8Array([0, 255, 255, 255, 255, 255, 255, 0, 26]);
  expect(hexOfFile(bytes)).toBe("00FFFFFFFFFFFF001A");
  expect(hexOfFile(new TextEncoder().encode(" 00FF\nFFFF \n"))).toBe("00FF\nFFFF");
});
