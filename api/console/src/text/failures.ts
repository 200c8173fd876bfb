/** Failures in the words of the catalogue: what happened and what to do. */

import { ApiError } from "../net/api";
import type { Catalogue } from "./en";

/** Why a login failed (contract http.md 3.2). */
export function loginFailure(text: Catalogue, error: unknown): string {
  if (error instanceof ApiError) {
    switch (error.status) {
      case 0:
        return text.error.network;
      case 400:
        return text.login.characters;
      case 401:
      case 403:
        return text.login.wrong;
      case 429:
        return text.login.tooMany(error.retryAfterS);
      default:
        return text.error.status(error.status);
    }
  }
  return String(error);
}

/** Why an action failed; `what` names the action. */
export function actionFailure(text: Catalogue, what: string, error: unknown): string {
  if (!(error instanceof ApiError)) {
    return text.error.withReason(what, String(error));
  }
  if (error.status === 0) {
    return text.error.withReason(what, text.error.network);
  }
  if (error.status === 409) {
    return text.error.withReason(what, text.error.busy);
  }
  return text.error.withReason(what, error.message === "" ? text.error.status(error.status) : error.message);
}
