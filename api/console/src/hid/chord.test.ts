import { expect, it } from "vitest";
import { ChordCapture, chordLabel } from "./chord";

it("names chords as keys are labelled", () => {
  expect(chordLabel(["ControlLeft", "AltLeft", "Delete"])).toBe("Ctrl+Alt+Del");
  expect(chordLabel(["MetaLeft", "KeyL"])).toBe("Super+L");
  expect(chordLabel(["Numpad5", "ArrowUp", "Digit1"])).toBe("Num 5+Up+1");
});

it("captures what is down together, and begins anew when all were up", () => {
  const capture = new ChordCapture();
  capture.press("ControlLeft");
  capture.press("ControlLeft");
  expect(capture.press("KeyA")).toEqual(["ControlLeft", "KeyA"]);
  capture.release("KeyA");
  expect(capture.press("KeyB")).toEqual(["ControlLeft", "KeyA", "KeyB"]);
  capture.release("KeyB");
  capture.release("ControlLeft");
  expect(capture.press("F5")).toEqual(["F5"]);
  capture.clear();
  expect(capture.press("F6")).toEqual(["F6"]);
});
