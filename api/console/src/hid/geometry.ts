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

/** How the picture is shown. */
export interface View {
  /** Clockwise, in degrees. */
  readonly rotation: Rotation;
  /** Whether a pixel of the picture is a pixel of the screen, however large that is. */
  readonly actualSize: boolean;
}

export type Rotation = 0 | 90 | 180 | 270;

export const ROTATIONS: readonly Rotation[] = [0, 90, 180, 270];

/**
 * The rectangle of the page that the picture takes. With its actual size it may be larger than the box: then
 * `look` (0..1 on both axes) tells which part of it is seen.
 */
export function shownRect(box: Rect, picture: Size, view: View, pixelRatio: number, look: Point): Rect {
  const turned = view.rotation % 180 !== 0;
  const size = turned ? { width: picture.height, height: picture.width } : picture;
  if (!view.actualSize) {
    return containedRect(box, size);
  }
  const width = size.width / pixelRatio;
  const height = size.height / pixelRatio;
  const place = (room: number, length: number, share: number): number =>
    (room - length) * (length > room ? share : 0.5);
  return {
    x: box.x + place(box.width, width, look.x),
    y: box.y + place(box.height, height, look.y),
    width,
    height,
  };
}

/** Where in the box a point is, 0..1 on both axes. */
export function shareOf(box: Rect, point: Point): Point {
  const share = (offset: number, length: number): number =>
    length > 0 ? Math.max(0, Math.min(1, offset / length)) : 0.5;
  return { x: share(point.x - box.x, box.width), y: share(point.y - box.y, box.height) };
}

function scaled(offset: number, length: number): number {
  // The last pixel of the page's row has to reach the last of the target's, hence the minus one.
  const share = length > 1 ? offset / (length - 1) : 0;
  const value = Math.round(MIN + share * (MAX - MIN));
  return Math.max(MIN, Math.min(MAX, value));
}

/**
 * A point of the page as absolute coordinates of the target (-32768..32767); outside of the picture the
 * nearest edge. `picture` is where it is seen, turned by `rotation`.
 */
export function toAbsolute(point: Point, picture: Rect, rotation: Rotation = 0): Point {
  const x = scaled(point.x - picture.x, picture.width);
  const y = scaled(point.y - picture.y, picture.height);
  // Opposite of MIN + share is MAX - share: the range has no middle of its own.
  const opposite = (value: number): number => MIN + MAX - value;
  switch (rotation) {
    case 0:
      return { x, y };
    case 90:
      return { x: y, y: opposite(x) };
    case 180:
      return { x: opposite(x), y: opposite(y) };
    case 270:
      return { x: opposite(y), y: x };
  }
}
