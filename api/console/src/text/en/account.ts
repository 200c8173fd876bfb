/** The user's own account: second factor, passkeys. */

export const account = {
  elsewhere:
    "You have logged in through a provider, which asks for your password and second factor. There is nothing to set here.",
  proofHint: "Once more, so that nobody else who sits here can change this.",
  factor: "Second factor",
  factorOff: "You have none of your own.",
  factorOn: (left: number): string =>
    left === 1
      ? "You have one. One recovery code is left."
      : `You have one. ${left} recovery codes are left.`,
  enroll: "Set up an authenticator app",
  recovery_codes: "New recovery codes",
  disable: "Give it up",
  scan: "Scan this with an authenticator app, then enter the six digits that it shows. Only then does it count.",
  qrAlt: "QR code of the new secret",
  orType: "Or type this into the app:",
  appCode: "Code",
  appCodeHint: "Six digits",
  confirm: "Confirm",
  recoveryHint:
    "Each of these recovery codes stands once for a code when you log in without the app. They are shown only now: " +
    "print them, or put them into a password manager.",
  passkeys: "Passkeys",
  passkeysHint:
    "A passkey of this device or a security key logs you in without the password and without a code.",
  passkeysNotHere:
    "Passkeys need a browser that knows them, and the console opened by a name (not an address) over TLS with a " +
    "certificate that the browser trusts.",
  makePasskey: "Add a passkey",
  passkeyName: (date: string) => `Passkey of ${date}`,
  passkeyFor: (host: string) => `for ${host}`,
  passkeyEnded:
    "It does not count any more, because the password has changed since. Remove it and add another.",
  passkeyDeclined: "The browser was refused, or the time has passed.",
  rename: "Rename",
  newName: "New name",
  remove: "Remove",
  confirmRemove: (name: string) => `Remove “${name}”?`,
  confirmRemoveText:
    "It logs nobody in from then on. Remove it from the device as well, which will offer it still.",
  others: "Second factors of others",
  reset: "Take away",
  confirmReset: (user: string) => `Take the second factor away from ${user}?`,
  confirmResetText:
    "From then on the password alone lets them in, or with the shared secret’s code if there is one.",
};
