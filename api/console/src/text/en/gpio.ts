/** Channels of the appliance’s GPIO. */

export const gpio = {};
