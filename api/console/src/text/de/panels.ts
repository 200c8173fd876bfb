import type { Catalogue } from "../en";

export const panels: Catalogue["panels"] = {
  rail: "Bereiche",
  title: {
    video: "Video",
    keyboard: "Tastatur",
    mouse: "Maus",
    text: "Text",
    drives: "Laufwerk",
    gpio: "GPIO",
    switch: "Switch",
    system: "System",
  },
};
