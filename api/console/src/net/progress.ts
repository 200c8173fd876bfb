/**
 * Routes that answer with their progress: an envelope a line until the work is done (contract http.md 4.6,
 * write_remote). Closing the request ends the work.
 */

import { ApiError, failureOf } from "./api";
import { endpoint, type Query } from "./urls";

interface Line {
  ok?: boolean;
  result?: { error?: string; error_msg?: string };
}

/** Whole lines of a text that comes in pieces. */
export class Lines {
  #rest = "";

  push(piece: string): string[] {
    const lines = (this.#rest + piece).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines.map((line) => line.trim()).filter((line) => line !== "");
  }
}

/** Throws the failure that a line tells. */
export function checkLine(line: string): void {
  const { ok, result } = JSON.parse(line) as Line;
  if (ok !== true) {
    throw new ApiError(200, result?.error ?? "", result?.error_msg ?? "");
  }
}

/** POST, with a file as the body or none, and follow to the end; throws an `ApiError` if it fails, in the middle too, or when `signal` ends it. */
export async function postWithProgress(
  base: URL,
  path: string,
  query: Query,
  signal: AbortSignal,
  body: Blob | null = null,
): Promise<void> {
  let answered = 0;
  try {
    const response = await fetch(endpoint(base, path, query), {
      method: "POST",
      cache: "no-store",
      signal,
      body,
    });
    if (!response.ok || response.body === null) {
      throw await failureOf(response);
    }
    const lines = new Lines();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      for (const line of lines.push(part.value)) {
        answered++;
        checkLine(line);
      }
    }
  } catch (error) {
    if (error instanceof ApiError) {
      throw error;
    }
    throw new ApiError(0, "", error instanceof Error ? error.message : String(error));
  }
  if (answered === 0) {
    throw new ApiError(0, "", "");
  }
}
