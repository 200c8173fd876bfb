/** The password as the contract wants it with two-factor login: the six digits appended. Pure. */

const CODE = /^\d{6}$/;

/** The value of the login form's `passwd`, or null if the code is neither empty nor six digits. */
export function passwdField(password: string, code: string): string | null {
  // Authenticator apps show the digits in groups, and people copy them so.
  const digits = code.replace(/\s+/g, "");
  if (digits === "") {
    return password;
  }
  return CODE.test(digits) ? password + digits : null;
}
