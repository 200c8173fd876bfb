/** Where the picture lies in its box, and which place of the target's screen a point of it is. Pure. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Rect extends Point, Size {}

const MIN = -32768;
const MAX = 32767;

/** The rectangle that a picture of the given size takes in `box` with `object-fit: contain`. */
export function containedRect(box: Rect, picture: Size): Rect {
  if (picture.width <= 0 || picture.height <= 0) {
    return box;
  }
  const scale = Math.min(box.width / picture.width, box.height / picture.height);
  const width = picture.width * scale;
  const height = picture.height * scale;
  return { x: box.x + (box.width - width) / 2, y: box.y + (box.height - height) / 2, width, height };
}

function scaled(offset: number, length: number): number {
  // The last pixel of the page's row has to reach the last of the target's, hence the minus one.
  const share = length > 1 ? offset / (length - 1) : 0;
  const value = Math.round(MIN + share * (MAX - MIN));
  return Math.max(MIN, Math.min(MAX, value));
}

/** A point of the page as absolute coordinates (-32768..32767); outside of the picture the nearest edge. */
export function toAbsolute(point: Point, picture: Rect): Point {
  return {
    x: scaled(point.x - picture.x, picture.width),
    y: scaled(point.y - picture.y, picture.height),
  };
}
