/** Text typed on the target. */

export const paste = {};
