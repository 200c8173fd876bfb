import type { Catalogue } from "../en";

export const account: Catalogue["account"] = {
  proofHint: "Noch einmal, damit niemand sonst, der hier sitzt, das ändern kann.",
  factor: "Zweiter Faktor",
  factorOff: "Sie haben keinen eigenen.",
  factorOn: (left) =>
    left === 1
      ? "Sie haben einen. Ein Wiederherstellungscode ist übrig."
      : `Sie haben einen. ${left} Wiederherstellungscodes sind übrig.`,
  enroll: "Authentifizierungs-App einrichten",
  recovery_codes: "Neue Wiederherstellungscodes",
  disable: "Aufgeben",
  scan:
    "Lesen Sie das mit einer Authentifizierungs-App ein und geben Sie dann die sechs Ziffern ein, die sie zeigt. " +
    "Erst dann gilt der zweite Faktor.",
  qrAlt: "QR-Code des neuen Geheimnisses",
  orType: "Oder tippen Sie das in die App:",
  appCode: "Code",
  appCodeHint: "Sechs Ziffern",
  confirm: "Bestätigen",
  recoveryHint:
    "Jeder dieser Wiederherstellungscodes steht bei der Anmeldung ohne App einmal für einen Code. Sie werden nur jetzt " +
    "gezeigt: Drucken Sie sie aus, oder legen Sie sie in einem Passwortmanager ab.",
  others: "Zweite Faktoren anderer",
  reset: "Wegnehmen",
  confirmReset: (user) => `${user} den zweiten Faktor wegnehmen?`,
  confirmResetText:
    "Danach genügt dort das Passwort, oder dazu der Code des gemeinsamen Geheimnisses, falls es eines gibt.",
};
