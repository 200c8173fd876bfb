import { expect, it } from "vitest";
import { between, edgesOf } from "./region";

const picture = { x: 100, y: 50, width: 200, height: 100 };
const size = { width: 400, height: 200 };

it("is within the picture, whichever corner came first", () => {
  const expected = { x: 100, y: 60, width: 50, height: 90 };
  expect(between({ x: 150, y: 60 }, { x: 0, y: 400 }, picture)).toEqual(expected);
  expect(between({ x: 0, y: 400 }, { x: 150, y: 60 }, picture)).toEqual(expected);
});

it("is told in pixels of the picture", () => {
  const region = { x: 110, y: 60, width: 20, height: 30 };
  expect(edgesOf(region, picture, 0, size)).toEqual({ left: 20, top: 20, right: 60, bottom: 80 });
  expect(edgesOf(region, picture, 180, size)).toEqual({ left: 340, top: 120, right: 380, bottom: 180 });
});

it("follows a picture that is turned", () => {
  const turned = { x: 0, y: 0, width: 100, height: 200 };
  // The top right corner as it is seen is the top left one of the picture.
  const region = { x: 90, y: 0, width: 10, height: 20 };
  expect(edgesOf(region, turned, 90, size)).toEqual({ left: 0, top: 0, right: 40, bottom: 20 });
  expect(edgesOf(region, turned, 270, size)).toEqual({ left: 360, top: 180, right: 400, bottom: 200 });
});
