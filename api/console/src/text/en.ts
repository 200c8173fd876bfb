/** Everything the console says, in English. Another language is another value of `Catalogue`. */

export const en = {
  product: "Farhand",
  login: {
    title: "Log in",
    user: "User name",
    password: "Password",
    code: "One-time code",
    codeHint: "Six digits, only if two-factor login is on",
    submit: "Log in",
    working: "Logging in…",
    userMissing: "Enter your user name.",
    codeMalformed: "The one-time code has six digits. Leave it empty if you do not use one.",
    characters:
      "The user name or password contains a character that cannot occur there. User names have lower-case letters, " +
      "digits and . _ - @; passwords have only ASCII characters.",
    wrong: "Wrong user name, password or one-time code. Try again.",
    tooMany: (seconds: number | null) =>
      seconds === null
        ? "Too many attempts. Wait a while, then try again."
        : `Too many attempts. Try again in ${seconds} s.`,
  },
  error: {
    network: "The appliance does not answer. Check the network and that it is switched on, then try again.",
    status: (status: number) => `The appliance answered with an unexpected status (${status}).`,
    withReason: (what: string, reason: string) => `${what}: ${reason}`,
    busy: "The button is still being pressed. Wait a moment, then try again.",
    noSnapshot: "There is no picture to save now.",
  },
  link: {
    connecting: "Connecting…",
    online: "Connected",
    waiting: "Reconnecting…",
    retryIn: (seconds: number) => `Next try in ${seconds} s`,
    retry: "Retry now",
  },
  overlay: {
    connecting: ["Connecting…", ""],
    reconnecting: ["Connection lost", "Trying to reach the appliance again."],
    stopped: ["Video is stopped", "The streamer is not running. It starts by itself within a few seconds."],
    target_off: ["No picture: the target is off", "Its power LED is dark. Press “Power” to switch it on."],
    no_signal: ["No signal", "The target sends no picture. Check the video cable, or wake it with a key."],
    loading: ["Loading the picture…", ""],
  },
  power: {
    group: "Power",
    short: "Power",
    shortHint: "Press the power button briefly",
    long: "Hold power",
    longHint: "Hold the power button until the target is off",
    reset: "Reset",
    resetHint: "Press the reset button",
    confirmLongTitle: "Force the target off?",
    confirmLong:
      "The power button is held for several seconds. The target loses power at once and unsaved data is lost.",
    confirmLongDo: "Force off",
    confirmResetTitle: "Reset the target?",
    confirmReset: "The target restarts at once and unsaved data is lost.",
    confirmResetDo: "Reset",
    cancel: "Cancel",
    powerLed: "Power",
    hddLed: "Disk",
    on: "on",
    off: "off",
    unknown: "unknown",
  },
  keyboard: {
    group: "Keyboard and mouse",
    cad: "Ctrl+Alt+Del",
    cadHint: "Send Ctrl+Alt+Delete to the target",
    leds: "Lock keys of the target",
    caps: "Caps",
    num: "Num",
    scroll: "Scroll",
    offline: "The target does not take keys",
    captured: "Keyboard goes to the target · Ctrl+Alt returns it",
    released: "Click the picture to type",
  },
  mouse: {
    mode: "Mouse",
    output: {
      usb: "Absolute",
      usb_win98: "Absolute (Windows 98)",
      usb_rel: "Relative",
      ps2: "PS/2",
      disabled: "Off",
    } as Readonly<Record<string, string>>,
    catchHint: "Click the picture to catch the mouse",
    caught: "Mouse caught · Esc frees it",
  },
  screen: {
    label:
      "Screen of the target. Keys typed here go to the target; left Ctrl and left Alt together return to the page.",
    picture: "Live picture of the target",
    mode: (width: number, height: number) => `${width}×${height}`,
    transport: { h264: "H.264", jpeg: "JPEG", mjpeg: "MJPEG" },
    hindrance: {
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
  },
  snapshot: "Screenshot",
  snapshotHint: "Save the present picture",
  logout: "Log out",
  dismiss: "Dismiss",
};

export type Catalogue = typeof en;
