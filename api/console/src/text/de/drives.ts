import type { Catalogue } from "../en";

export const drives: Catalogue["drives"] = {};
