import type { Catalogue } from "../en";

export const keyboard: Catalogue["keyboard"] = {
  group: "Tastatur",
  cad: "Strg+Alt+Entf",
  cadHint: "Strg+Alt+Entf an den Zielrechner senden",
  leds: "Feststelltasten des Zielrechners",
  caps: "Caps",
  num: "Num",
  scroll: "Rollen",
  offline: "Der Zielrechner nimmt keine Tasten an",
  captured: "Tastatur geht an den Zielrechner · Strg+Alt holt sie zurück",
  pointOnly: "Sie dürfen die Maus benutzen, nicht die Tastatur",
  watchOnly: "Sie dürfen zusehen, nicht eingreifen",
  released: "Klicken Sie in das Bild, um zu tippen",
};
