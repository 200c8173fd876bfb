/** The drive manager. */

export const drives = {};
