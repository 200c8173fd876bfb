import type { Catalogue } from "../en";

export const gpio: Catalogue["gpio"] = {};
