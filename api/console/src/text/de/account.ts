import type { Catalogue } from "../en";

export const account: Catalogue["account"] = {
  elsewhere:
    "Sie haben sich über einen Anbieter angemeldet, der nach Passwort und zweitem Faktor fragt. Hier ist nichts einzustellen.",
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
  passkeys: "Passkeys",
  passkeysHint:
    "Ein Passkey dieses Geräts oder eines Sicherheitsschlüssels meldet Sie ohne Passwort und ohne Code an.",
  passkeysNotHere:
    "Passkeys brauchen einen Browser, der sie kennt, und die Konsole unter einem Namen (keiner Adresse) über TLS mit " +
    "einem Zertifikat, dem der Browser vertraut.",
  makePasskey: "Passkey hinzufügen",
  passkeyName: (date) => `Passkey vom ${date}`,
  passkeyFor: (host) => `für ${host}`,
  passkeyEnded:
    "Er gilt nicht mehr, weil das Passwort sich seither geändert hat. Entfernen Sie ihn und fügen Sie einen neuen hinzu.",
  passkeyDeclined: "Dem Browser wurde es verweigert, oder die Zeit ist abgelaufen.",
  rename: "Umbenennen",
  newName: "Neuer Name",
  remove: "Entfernen",
  confirmRemove: (name) => `„${name}“ entfernen?`,
  confirmRemoveText:
    "Danach meldet er niemanden mehr an. Entfernen Sie ihn auch auf dem Gerät, das ihn sonst weiter anbietet.",
  others: "Zweite Faktoren anderer",
  reset: "Wegnehmen",
  confirmReset: (user) => `${user} den zweiten Faktor wegnehmen?`,
  confirmResetText:
    "Danach genügt dort das Passwort, oder dazu der Code des gemeinsamen Geheimnisses, falls es eines gibt.",
};
