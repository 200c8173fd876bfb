/** The SHA-256 of a file, computed by a worker. */

import DigestWorker from "./digest_worker?worker";

/** Resolves to the digits; rejects if the file cannot be read (any more), or when `signal` ends it. */
export function digestOf(file: File, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = new DigestWorker();
    const end = (): void => worker.terminate();
    signal.addEventListener("abort", () => {
      end();
      reject(new DOMException("The upload was cancelled.", "AbortError"));
    });
    worker.onmessage = (message: MessageEvent<{ digits?: string; error?: string }>) => {
      end();
      const { digits, error } = message.data;
      digits === undefined ? reject(new Error(error)) : resolve(digits);
    };
    worker.onerror = (event) => {
      end();
      reject(new Error(event.message));
    };
    worker.postMessage(file);
  });
}
