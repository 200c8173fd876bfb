/** The screen of the target: the picture, why there is none, what is said below it. */

export const overlay = {
  connecting: ["Connecting…", ""],
  reconnecting: ["Connection lost", "Trying to reach the appliance again."],
  stopped: ["Video is stopped", "The streamer is not running. It starts by itself within a few seconds."],
  target_off: ["No picture: the target is off", "Its power LED is dark. Press “Power” to switch it on."],
  no_signal: ["No signal", "The target sends no picture. Check the video cable, or wake it with a key."],
  loading: ["Loading the picture…", ""],
};

export const screen = {
  label:
    "Screen of the target. Keys typed here go to the target; left Ctrl and left Alt together return to the page.",
  picture: "Live picture of the target",
  mode: (width: number, height: number) => `${width}×${height}`,
  transport: { h264: "H.264", jpeg: "JPEG", mjpeg: "MJPEG" },
  hindrance: {
    chosen: "It was chosen in the video panel.",
    no_webcodecs: "No H.264: this browser has WebCodecs only on pages from HTTPS or from the own machine.",
    h264_not_offered: "No H.264: it is switched off on the appliance.",
    h264_not_supported: "No H.264: this browser does not decode it.",
    h264_failed: "No H.264: this browser failed to decode it.",
    jpeg_not_offered: "No pictures over the media socket: the appliance does not offer them.",
    socket_failed: "No pictures over the media socket: it could not be connected.",
  },
  fps: (fps: number) => `${fps} fps`,
  rate: (kbps: number) => (kbps < 1_000 ? `${kbps} kbit/s` : `${(kbps / 1_000).toFixed(1)} Mbit/s`),
  latency: (ms: number) => `${ms} ms`,
  stages: (encoded: number, sent: number, shown: number) =>
    `From capture to paint: ${encoded} ms until encoded, ${sent} ms until sent, ${shown} ms until painted`,
  viewers: (count: number) => (count === 1 ? "1 viewer" : `${count} viewers`),
  captureTrouble: (reason: string) => `The capture does not work: ${reason}`,
  noSnapshot: "There is no picture to save now.",
  snapshot: "Screenshot",
  snapshotHint: "Save the present picture",
};
