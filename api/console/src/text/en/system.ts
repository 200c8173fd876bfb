/** The appliance itself: its state, its log, its sessions. */

export const system = {};
