/** Hashes files beside the page, so that it stays quick: takes a `File`, answers with its SHA-256 in digits. */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";

const PIECE_BYTES = 1 << 20;

async function digest(file: File): Promise<string> {
  const hash = sha256.create();
  for (let offset = 0; offset < file.size; offset += PIECE_BYTES) {
    hash.update(new Uint8Array(await file.slice(offset, offset + PIECE_BYTES).arrayBuffer()));
  }
  return bytesToHex(hash.digest());
}

self.onmessage = (message: MessageEvent<File>) => {
  digest(message.data).then(
    (digits) => self.postMessage({ digits }),
    (error: unknown) => self.postMessage({ error: String(error) }),
  );
};
