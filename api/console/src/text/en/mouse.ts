/** Mouse and touch. */

export const mouse = {
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
};
