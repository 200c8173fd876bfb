/** One thing that keyboard or mouse do to the target. */

import type { ButtonName, Delta } from "../net/wire";

export type Step =
  | { readonly kind: "key"; readonly name: string; readonly pressed: boolean }
  | { readonly kind: "button"; readonly name: ButtonName; readonly pressed: boolean }
  /** A place, -32768..32767 on both axes. */
  | { readonly kind: "move"; readonly x: number; readonly y: number }
  | { readonly kind: "relative"; readonly deltas: readonly Delta[] }
  | { readonly kind: "wheel"; readonly deltas: readonly Delta[] };

/** Names of buttons (net/wire.ts). */
export const BUTTON_NAMES = [
  "left",
  "right",
  "middle",
  "up",
  "down",
] as const satisfies readonly ButtonName[];
