/** Access for programs and guests: API tokens, share links. */

export const access = {
  tokens: "API tokens",
  tokensHint:
    "A token lets a program act for you, where it would otherwise need your password. It never may more than you.",
  noTokens: "There is none.",
  makeToken: "Make a token",
  tokenName: "What it is for",
  tokenMade: "The new token. It is shown only now:",
  shares: "Share links",
  sharesHint: "Whoever has the link can do this in a browser, without an account, until it ends.",
  noShares: "There is none.",
  makeShare: "Make a link",
  shareLabel: "For whom (may be empty)",
  shareMade: "The new link. It is shown only now:",
  unnamed: "Link without a name",
  may: "It may",
  capabilities: {
    view: "watch",
    type: "type",
    point: "use the mouse",
    power: "press the power buttons",
    media: "use the drive and its images",
    gpio: "switch channels",
    switch: "use the KVM switch",
    admin: "administrate",
  } as Readonly<Record<string, string>>,
  nothingChosen: "Choose at least one thing that it may.",
  ends: "It ends",
  never: "never",
  copy: "Copy",
  copied: "It is in the clipboard.",
  revoke: "Revoke",
  confirmRevoke: (name: string) => `Revoke “${name}”?`,
  confirmRevokeText: "What is open by it is closed at once, and nobody can use it again.",
  of: (user: string) => `of ${user}`,
  endsIn: (time: string) => `ends ${time}`,
  endsNever: "never ends",
  madeAgo: (time: string) => `made ${time}`,
  usedAgo: (time: string, from: string) => `used ${time} from ${from}`,
  usedNever: "never used",
  guest: (user: string, name: string) =>
    name === ""
      ? `You are here by a share link of ${user}.`
      : `You are here by the link “${name}” of ${user}.`,
  guestEnds: (time: string) => `It ends ${time}.`,
};
