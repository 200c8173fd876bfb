/** Shortcuts and macros. */

export const macros = {};
