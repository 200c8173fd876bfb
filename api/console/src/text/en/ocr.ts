/** Text read from the target’s screen. */

export const ocr = {};
