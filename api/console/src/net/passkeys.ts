/** Passkeys: the browser's part of WebAuthn between the two calls of each ceremony. Knows no page. */

import { call, callWithForm, callWithText } from "./api";

interface Begun {
  options: object;
}

/** Whether this browser can, and may here: it wants TLS (or its own machine) and a name instead of an address. */
export function canUsePasskeys(): boolean {
  return (
    typeof PublicKeyCredential === "function" &&
    typeof PublicKeyCredential.parseRequestOptionsFromJSON === "function" &&
    typeof PublicKeyCredential.parseCreationOptionsFromJSON === "function" &&
    isName(location.hostname)
  );
}

/** Whether a host name of an address is one that passkeys can be made for. */
export function isName(host: string): boolean {
  return host !== "" && !host.startsWith("[") && !/^[\d.]+$/.test(host);
}

/** The user said no, or let the time pass. */
export class PasskeyDeclined extends Error {}

/** Make a passkey and have the appliance keep it. Throws ApiError, PasskeyDeclined. */
export async function makePasskey(base: URL, passwd: string, name: string): Promise<void> {
  const begun = await callWithForm<Begun>(base, "api/auth/passkeys/register", { passwd });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(
    begun.options as PublicKeyCredentialCreationOptionsJSON,
  );
  const made = await answered(() => navigator.credentials.create({ publicKey }));
  await callWithText(base, "api/auth/passkeys/register/finish", { name }, JSON.stringify(made));
}

/** Log in by whichever passkey the user chooses. Throws ApiError, PasskeyDeclined. */
export async function logInByPasskey(base: URL): Promise<void> {
  const begun = await call<Begun>("POST", base, "api/auth/passkeys/login");
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(
    begun.options as PublicKeyCredentialRequestOptionsJSON,
  );
  const signed = await answered(() => navigator.credentials.get({ publicKey }));
  await callWithText(base, "api/auth/passkeys/login/finish", {}, JSON.stringify(signed));
}

async function answered(ask: () => Promise<Credential | null>): Promise<Credential> {
  let credential: Credential | null = null;
  try {
    credential = await ask();
  } catch (error) {
    // Browsers do not tell a user who refuses from one who has nothing fitting, so that pages learn neither.
    if (error instanceof DOMException && (error.name === "NotAllowedError" || error.name === "AbortError")) {
      throw new PasskeyDeclined();
    }
    throw error;
  }
  if (credential === null) {
    throw new PasskeyDeclined();
  }
  return credential;
}
