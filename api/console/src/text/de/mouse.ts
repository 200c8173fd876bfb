import type { Catalogue } from "../en";

export const mouse: Catalogue["mouse"] = {
  kind: "Maus des Zielrechners",
  mode: "Maus",
  output: {
    usb: "Absolut",
    usb_win98: "Absolut (Windows 98)",
    usb_rel: "Relativ",
    ps2: "PS/2",
    disabled: "Aus",
  },
  modeHint: {
    absolute: "Der Zeiger des Zielrechners ist dort, wo Ihrer ist.",
    relative:
      "Für Zielrechner, die keine Positionen annehmen: Ein Klick ins Bild fängt den Zeiger, Esc gibt ihn frei.",
  },
  catchHint: "Klicken Sie in das Bild, um die Maus zu fangen",
  caught: "Maus gefangen · Esc gibt sie frei",
  jiggler: "Zielrechner wach halten",
  jigglerHint: (seconds) => `Bewegt den Zeiger ein wenig, wenn es ${seconds} s lang niemand getan hat`,
  pointer: "Zeiger und Rad",
  cursor: "Zeiger dieses Browsers über dem Bild",
  cursors: { crosshair: "Fadenkreuz", default: "Pfeil", dot: "Punkt", none: "Unsichtbar" },
  sensitivity: "Empfindlichkeit von Bewegungen",
  wheelSpeed: "Tempo des Rads",
  wheelReversed: "Rad anders herum",
  times: (factor) => `${factor.toFixed(1).replace(".", ",")}×`,
  touch: "Berührung",
  touchMode: "Finger",
  touchModes: {
    direct: "Zeigen auf das, was sie berühren",
    trackpad: "Schieben den Zeiger, wie auf einem Touchpad",
  },
  touchHints: {
    direct:
      "Tippen: Klick. Liegen lassen: Rechtsklick. Bewegen: Ziehen. Zwei Finger: Rad, oder Rechtsklick durch Tippen.",
    trackpad:
      "Tippen: Klick, mit zwei Fingern rechts, mit dreien die Mitte. Tippen, dann bewegen: Ziehen. Zwei Finger: Rad.",
  },
};
