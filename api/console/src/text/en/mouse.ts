/** Mouse and touch. */

export const mouse = {
  kind: "Mouse of the target",
  mode: "Mouse",
  output: {
    usb: "Absolute",
    usb_win98: "Absolute (Windows 98)",
    usb_rel: "Relative",
    ps2: "PS/2",
    disabled: "Off",
  } as Readonly<Record<string, string>>,
  modeHint: {
    absolute: "The target’s pointer is where yours is.",
    relative:
      "For targets that take no places: the pointer is caught by a click into the picture, Esc frees it.",
  },
  catchHint: "Click the picture to catch the mouse",
  caught: "Mouse caught · Esc frees it",
  jiggler: "Keep the target awake",
  jigglerHint: (seconds: number) => `Moves the pointer a little when nobody has for ${seconds} s`,
  pointer: "Pointer and wheel",
  cursor: "Pointer of this browser over the picture",
  cursors: { crosshair: "Crosshair", default: "Arrow", dot: "Dot", none: "Hidden" },
  sensitivity: "Sensitivity of movements",
  wheelSpeed: "Speed of the wheel",
  wheelReversed: "Turn the wheel the other way round",
  times: (factor: number) => `${factor.toFixed(1)}×`,
  touch: "Touch",
  touchMode: "Fingers",
  touchModes: { direct: "Point at what they touch", trackpad: "Push the pointer, as on a trackpad" },
  touchHints: {
    direct: "Tap: click. Rest: right click. Move: drag. Two fingers: wheel, or a right click by a tap.",
    trackpad:
      "Tap: click; with two fingers the right button, with three the middle one. Tap, then move: drag. Two fingers: wheel.",
  },
};
