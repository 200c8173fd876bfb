/** The login page, and the end of a session. */

export const login = {
  pageTitle: "Log in · Farhand",
  title: "Log in",
  user: "User name",
  password: "Password",
  code: "One-time code",
  codeHint: "Six digits or a recovery code, only if two-factor login is on",
  submit: "Log in",
  working: "Logging in…",
  byProvider: (name: string) => `Log in through “${name}”`,
  byPasskey: "Log in with a passkey",
  userMissing: "Enter your user name.",
  codeMalformed:
    "The one-time code has six digits, a recovery code four groups of four. Leave it empty if you do not use one.",
  characters:
    "The user name or password contains a character that cannot occur there. User names have lower-case letters, " +
    "digits and . _ - @; passwords have only ASCII characters.",
  wrongPasskey: "The appliance does not accept this passkey. Log in with your password.",
  wrong: "Wrong user name, password or one-time code. Try again.",
  tooMany: (seconds: number | null) =>
    seconds === null
      ? "Too many attempts. Wait a while, then try again."
      : `Too many attempts. Try again in ${seconds} s.`,
  expired: "Your session has ended. Log in again to go on where you were.",
  logout: "Log out",
};
