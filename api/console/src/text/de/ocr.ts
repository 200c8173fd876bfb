import type { Catalogue } from "../en";

export const ocr: Catalogue["ocr"] = {};
