/** A rectangle on the picture, chosen by mouse, finger or keys; as edges in the picture's own pixels. Pure. */

import type { Point, Rect, Rotation, Size } from "../../hid/geometry";

export interface Edges {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The rectangle between two points of the page, within the picture. */
export function between(a: Point, b: Point, picture: Rect): Rect {
  const clampX = (x: number): number => Math.max(picture.x, Math.min(picture.x + picture.width, x));
  const clampY = (y: number): number => Math.max(picture.y, Math.min(picture.y + picture.height, y));
  const [left, right] = [clampX(Math.min(a.x, b.x)), clampX(Math.max(a.x, b.x))];
  const [top, bottom] = [clampY(Math.min(a.y, b.y)), clampY(Math.max(a.y, b.y))];
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** The same in pixels of the picture, which is seen at `picture` turned by `rotation`. */
export function edgesOf(region: Rect, picture: Rect, rotation: Rotation, size: Size): Edges {
  const u = [region.x - picture.x, region.x + region.width - picture.x].map((x) => x / picture.width);
  const v = [region.y - picture.y, region.y + region.height - picture.y].map((y) => y / picture.height);
  const corners = [0, 1].map((index) => {
    const [x, y] = [u[index] ?? 0, v[index] ?? 0];
    switch (rotation) {
      case 0:
        return { x, y };
      case 90:
        return { x: y, y: 1 - x };
      case 180:
        return { x: 1 - x, y: 1 - y };
      case 270:
        return { x: 1 - y, y: x };
    }
  });
  const xs = corners.map(({ x }) => x * size.width);
  const ys = corners.map(({ y }) => y * size.height);
  return {
    left: Math.floor(Math.min(...xs)),
    top: Math.floor(Math.min(...ys)),
    right: Math.ceil(Math.max(...xs)),
    bottom: Math.ceil(Math.max(...ys)),
  };
}
