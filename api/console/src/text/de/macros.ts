import type { Catalogue } from "../en";

export const macros: Catalogue["macros"] = {};
