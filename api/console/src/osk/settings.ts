/** Whether the on-screen keyboard is open, and what is on its keys. */

import { asBoolean, preference } from "../state/preferences";

export const oskOpen = preference("onScreenKeyboard", false, asBoolean);

/** The keymap's name; null is the appliance's default. */
export const oskKeymap = preference<string | null>("onScreenKeymap", null, (value) =>
  value === null || typeof value === "string" ? value : undefined,
);
