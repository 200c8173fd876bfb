/**
 * Calls of the HTTP API: parameters in the query, the answer's envelope opened, and every failure turned into
 * an `ApiError` that can be shown. Knows no page and no state.
 */

import { endpoint, type Query } from "./urls";

/** No call made from here takes more than a second on a working appliance (a shortcut: 0.3 s). */
const CALL_DEADLINE_MS = 15_000;

/** Making a key from a password takes seconds by design, and more on a small board. */
const LONG_DEADLINE_MS = 300_000;

/** A failed call. `status` 0 means that no answer came. */
export class ApiError extends Error {
  readonly status: number;
  /** The contract's stable class name (http.md 2.2), "" if the answer had none. */
  readonly kind: string;
  readonly retryAfterS: number | null;

  constructor(status: number, kind: string, message: string, retryAfterS: number | null = null) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.kind = kind;
    this.retryAfterS = retryAfterS;
  }

  /** The session may be gone (401, 403): a user who lacks the right is refused by 403 as well. */
  get needsLogin(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

async function fetchChecked(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, {
      credentials: "same-origin",
      cache: "no-store",
      signal: AbortSignal.timeout(CALL_DEADLINE_MS),
      ...init,
    });
  } catch (error) {
    throw new ApiError(0, "", error instanceof Error ? error.message : String(error));
  }
  if (!response.ok) {
    throw await failureOf(response);
  }
  return response;
}

/** Read a failed answer: the envelope of http.md 2.2, or a body of any kind (a proxy answers with HTML). */
export async function failureOf(response: Response): Promise<ApiError> {
  let kind = "";
  let message = "";
  try {
    const body = (await response.json()) as { result?: { error?: unknown; error_msg?: unknown } };
    kind = typeof body.result?.error === "string" ? body.result.error : "";
    message = typeof body.result?.error_msg === "string" ? body.result.error_msg : "";
  } catch {
    // Not JSON: the status has to be enough.
  }
  const retryAfter = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new ApiError(response.status, kind, message, Number.isNaN(retryAfter) ? null : retryAfter);
}

/** Whether the browser's session is good; throws only if the appliance gave no usable answer. */
export async function isLoggedIn(base: URL): Promise<boolean> {
  try {
    await fetchChecked(endpoint(base, "api/auth/check"), { method: "GET" });
    return true;
  } catch (error) {
    // 400 is the contract's answer to a malformed cookie: a new login replaces it.
    if (error instanceof ApiError && (error.needsLogin || error.status === 400)) {
      return false;
    }
    throw error;
  }
}

/** Log in, by a form (http.md 3.2). */
export async function login(base: URL, user: string, passwd: string): Promise<void> {
  await fetchChecked(endpoint(base, "api/auth/login"), {
    method: "POST",
    body: new URLSearchParams({ user, passwd }),
  });
}

export async function post(base: URL, path: string, query: Query = {}): Promise<void> {
  await fetchChecked(endpoint(base, path, query), { method: "POST" });
}

/** Call a route and return its result (the envelope's, http.md 2.1), which is what the contract says. */
export async function call<T>(method: string, base: URL, path: string, query: Query = {}): Promise<T> {
  const response = await fetchChecked(endpoint(base, path, query), { method });
  return ((await read(() => response.json())) as { result: T }).result;
}

/** POST a form, whose fields are too secret for an address, and return the result. */
export async function callWithForm<T>(
  base: URL,
  path: string,
  fields: Readonly<Record<string, string>>,
): Promise<T> {
  const response = await fetchChecked(endpoint(base, path), {
    method: "POST",
    body: new URLSearchParams(fields),
  });
  return ((await read(() => response.json())) as { result: T }).result;
}

/** POST a form with a file in it, which takes a while, and return the result. */
export async function callWithParts<T>(base: URL, path: string, form: FormData): Promise<T> {
  const response = await fetchChecked(endpoint(base, path), {
    method: "POST",
    body: form,
    signal: AbortSignal.timeout(LONG_DEADLINE_MS),
  });
  return ((await read(() => response.json())) as { result: T }).result;
}

/** POST a form whose answer is a file that takes a while to make. */
export async function blobOfForm(base: URL, path: string, fields: URLSearchParams): Promise<Blob> {
  const response = await fetchChecked(endpoint(base, path), {
    method: "POST",
    body: fields,
    signal: AbortSignal.timeout(LONG_DEADLINE_MS),
  });
  return read(() => response.blob());
}

/** POST a text as the body. */
export async function postText(base: URL, path: string, query: Query, body: string): Promise<void> {
  await fetchChecked(endpoint(base, path, query), { method: "POST", body });
}

/** POST a text as the body, and return the result. */
export async function callWithText<T>(base: URL, path: string, query: Query, body: string): Promise<T> {
  const response = await fetchChecked(endpoint(base, path, query), { method: "POST", body });
  return ((await read(() => response.json())) as { result: T }).result;
}

export async function getText(base: URL, path: string, query: Query = {}): Promise<string> {
  const response = await fetchChecked(endpoint(base, path, query), { method: "GET" });
  return read(() => response.text());
}

export async function getBlob(base: URL, path: string, query: Query = {}): Promise<Blob> {
  const response = await fetchChecked(endpoint(base, path, query), { method: "GET" });
  return read(() => response.blob());
}

/** Read a body; the network may break in the middle of it. */
async function read<T>(body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throw new ApiError(0, "", error instanceof Error ? error.message : String(error));
  }
}
