/** How this reader points. */

import { asBoolean, asNumber, asOneOf, preference } from "../state/preferences";
import type { TouchMode } from "./touch";

/** Of movements: the relative mouse, and fingers that push. */
export const sensitivity = preference("sensitivity", 1, asNumber(0.1, 5));

export const wheelSpeed = preference("wheelSpeed", 1, asNumber(0.1, 5));

export const wheelReversed = preference("wheelReversed", false, asBoolean);

export type CursorShape = "crosshair" | "default" | "dot" | "none";

export const CURSOR_SHAPES: readonly CursorShape[] = ["crosshair", "default", "dot", "none"];

export const cursorShape = preference<CursorShape>("cursor", "crosshair", asOneOf(...CURSOR_SHAPES));

export const touchMode = preference<TouchMode>("touch", "direct", asOneOf("direct", "trackpad"));
