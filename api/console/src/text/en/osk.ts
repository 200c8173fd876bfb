/** The on-screen keyboard. */

export const osk = {};
