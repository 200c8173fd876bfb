import type { Catalogue } from "../en";

export const mouse: Catalogue["mouse"] = {
  mode: "Maus",
  output: {
    usb: "Absolut",
    usb_win98: "Absolut (Windows 98)",
    usb_rel: "Relativ",
    ps2: "PS/2",
    disabled: "Aus",
  },
  catchHint: "Klicken Sie in das Bild, um die Maus zu fangen",
  caught: "Maus gefangen · Esc gibt sie frei",
};
