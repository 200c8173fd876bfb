/** How this reader wants the picture. */

import type { Rotation } from "../hid/geometry";
import { asOneOf, preference } from "../state/preferences";
import type { Wish } from "./transport";

export const rotation = preference<Rotation>("rotation", 0, (value) =>
  value === 0 || value === 90 || value === 180 || value === 270 ? value : undefined,
);

export type Scale = "fit" | "actual";

export const scale = preference<Scale>("scale", "fit", asOneOf("fit", "actual"));

export const wish = preference<Wish>("transport", "auto", asOneOf("auto", "h264", "jpeg", "mjpeg"));
