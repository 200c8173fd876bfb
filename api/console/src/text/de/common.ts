import type { Catalogue } from "../en";

export const common: Catalogue["common"] = {
  product: "Farhand",
  cancel: "Abbrechen",
  close: "Schließen",
  dismiss: "Verwerfen",
  on: "an",
  off: "aus",
  unknown: "unbekannt",
  loading: "Wird geladen…",
  failedToLoad: "Dieser Teil der Konsole konnte nicht geladen werden.",
  retry: "Noch einmal",
};

export const language: Catalogue["language"] = {
  label: "Sprache",
  follow: "Die des Browsers",
};
