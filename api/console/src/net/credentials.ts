/** The password as the contract wants it with two-factor login: the six digits appended. Pure. */

const CODE = /^\d{6}$/;
/** One of the appliance's recovery codes (docs/logins.md), which stands in place of the digits. */
const RECOVERY = /^[a-z2-7]{4}(-[a-z2-7]{4}){3}$/;

/** The value of the login form's `passwd`, or null if the code is neither empty, nor six digits, nor a recovery code. */
export function passwdField(password: string, code: string): string | null {
  // Authenticator apps show the digits in groups, and people copy them so.
  const digits = code.replace(/\s+/g, "");
  if (digits === "") {
    return password;
  }
  const recovery = digits.toLowerCase();
  if (RECOVERY.test(recovery)) {
    return password + recovery;
  }
  return CODE.test(digits) ? password + digits : null;
}
