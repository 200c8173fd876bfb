import type { Catalogue } from "../en";

export const login: Catalogue["login"] = {
  pageTitle: "Anmelden · Farhand",
  title: "Anmelden",
  user: "Benutzername",
  password: "Passwort",
  code: "Einmalcode",
  codeHint: "Sechs Ziffern oder ein Wiederherstellungscode, nur bei Anmeldung mit zweitem Faktor",
  submit: "Anmelden",
  working: "Anmeldung läuft…",
  byProvider: (name) => `Über „${name}“ anmelden`,
  byPasskey: "Mit einem Passkey anmelden",
  userMissing: "Geben Sie Ihren Benutzernamen ein.",
  codeMalformed:
    "Der Einmalcode hat sechs Ziffern, ein Wiederherstellungscode vier Gruppen zu vier Zeichen. Lassen Sie das Feld " +
    "leer, wenn Sie keinen verwenden.",
  characters:
    "Benutzername oder Passwort enthält ein Zeichen, das dort nicht vorkommen kann. Benutzernamen bestehen aus " +
    "Kleinbuchstaben, Ziffern und . _ - @, Passwörter nur aus ASCII-Zeichen.",
  wrongPasskey: "Das Gerät nimmt diesen Passkey nicht an. Melden Sie sich mit Ihrem Passwort an.",
  wrong: "Benutzername, Passwort oder Einmalcode ist falsch. Versuchen Sie es noch einmal.",
  tooMany: (seconds) =>
    seconds === null
      ? "Zu viele Versuche. Warten Sie eine Weile und versuchen Sie es dann noch einmal."
      : `Zu viele Versuche. Noch ein Versuch ist in ${seconds} s möglich.`,
  expired: "Ihre Sitzung ist beendet. Melden Sie sich an, um dort weiterzumachen, wo Sie waren.",
  logout: "Abmelden",
};
