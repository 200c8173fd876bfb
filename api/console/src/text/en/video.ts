/** The video panel: transport, view, recording, the streamer’s settings, the EDID. */

export const video = {};
