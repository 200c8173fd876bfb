import type { Catalogue } from "../en";

export const osk: Catalogue["osk"] = {};
