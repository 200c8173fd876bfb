import type { Catalogue } from "../en";

export const video: Catalogue["video"] = {};
