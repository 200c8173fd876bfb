import type { Catalogue } from "../en";

export const gpio: Catalogue["gpio"] = {
  title: "Kanäle",
  empty: "Die Konfiguration hat keine Kanäle zu zeigen (kvmd/gpio/view).",
  on: (channel) => `${channel} einschalten`,
  off: (channel) => `${channel} ausschalten`,
  pulseHint: (channel, seconds) => `${channel}: ein Impuls von ${String(seconds).replace(".", ",")} s`,
  offline: "antwortet nicht",
  confirmTitle: (what) => `${what}?`,
  confirm: "Die Konfiguration verlangt eine Bestätigung, bevor sich dieser Kanal ändert.",
};
