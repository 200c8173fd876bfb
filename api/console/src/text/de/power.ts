import type { Catalogue } from "../en";

export const power: Catalogue["power"] = {
  group: "Ein/Aus",
  short: "Ein/Aus",
  shortHint: "Den Einschalter kurz drücken",
  long: "Einschalter halten",
  longHint: "Den Einschalter halten, bis der Zielrechner aus ist",
  reset: "Reset",
  resetHint: "Den Reset-Taster drücken",
  confirmLongTitle: "Zielrechner hart ausschalten?",
  confirmLong:
    "Der Einschalter wird mehrere Sekunden gehalten. Der Zielrechner geht sofort aus, Ungespeichertes geht verloren.",
  confirmLongDo: "Hart ausschalten",
  confirmResetTitle: "Zielrechner zurücksetzen?",
  confirmReset: "Der Zielrechner startet sofort neu, Ungespeichertes geht verloren.",
  confirmResetDo: "Zurücksetzen",
  leds: "Anzeigen des Zielrechners",
  powerLed: "Betrieb",
  hddLed: "Platte",
};
