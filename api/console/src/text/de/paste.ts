import type { Catalogue } from "../en";

export const paste: Catalogue["paste"] = {};
