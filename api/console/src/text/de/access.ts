import type { Catalogue } from "../en";

export const access: Catalogue["access"] = {
  tokens: "API-Tokens",
  tokensHint:
    "Mit einem Token handelt ein Programm für Sie, das sonst Ihr Passwort bräuchte. Es darf nie mehr als Sie.",
  noTokens: "Es gibt keines.",
  makeToken: "Token ausstellen",
  tokenName: "Wofür es ist",
  tokenMade: "Das neue Token. Es wird nur jetzt gezeigt:",
  shares: "Freigabelinks",
  sharesHint: "Wer den Link hat, darf dies im Browser ohne Konto tun, bis der Link endet.",
  noShares: "Es gibt keinen.",
  makeShare: "Link ausstellen",
  shareLabel: "Für wen (darf leer sein)",
  shareMade: "Der neue Link. Er wird nur jetzt gezeigt:",
  unnamed: "Link ohne Namen",
  may: "Erlaubt ist",
  capabilities: {
    view: "zusehen",
    type: "tippen",
    point: "die Maus benutzen",
    power: "die Ein-/Aus-Tasten drücken",
    media: "das Laufwerk und seine Abbilder benutzen",
    gpio: "Kanäle schalten",
    switch: "den KVM-Umschalter benutzen",
    admin: "verwalten",
  },
  nothingChosen: "Wählen Sie mindestens eines, was erlaubt ist.",
  ends: "Endet",
  never: "nie",
  copy: "Kopieren",
  copied: "Es ist in der Zwischenablage.",
  revoke: "Widerrufen",
  confirmRevoke: (name) => `„${name}“ widerrufen?`,
  confirmRevokeText: "Was darüber offen ist, wird sofort geschlossen, und niemand kann es wieder benutzen.",
  of: (user) => `von ${user}`,
  endsIn: (time) => `endet ${time}`,
  endsNever: "endet nie",
  madeAgo: (time) => `ausgestellt ${time}`,
  usedAgo: (time, from) => `benutzt ${time} von ${from}`,
  usedNever: "nie benutzt",
  guest: (user, name) =>
    name === ""
      ? `Sie sind über einen Freigabelink von ${user} hier.`
      : `Sie sind über den Link „${name}“ von ${user} hier.`,
  guestEnds: (time) => `Er endet ${time}.`,
};
