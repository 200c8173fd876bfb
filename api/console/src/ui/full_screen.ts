/** The target's screen on the whole of one's own, with the keys that the system keeps for itself. */

interface KeyboardLock {
  lock(): Promise<void>;
  unlock(): void;
}

/** Browsers of Chromium's family can have all keys in full screen; TypeScript's library does not know it yet. */
function keyboardLock(): KeyboardLock | null {
  return (navigator as { keyboard?: KeyboardLock }).keyboard ?? null;
}

export function canLockKeys(): boolean {
  return keyboardLock() !== null && isSecureContext;
}

/** Enter; rejects if the browser does not let us. */
export async function enterFullScreen(): Promise<void> {
  const stage = document.querySelector<HTMLElement>(".stage");
  await stage?.requestFullscreen({ navigationUI: "hide" });
  document.getElementById("screen")?.focus({ preventScroll: true });
  if (canLockKeys()) {
    await keyboardLock()?.lock();
    document.addEventListener("fullscreenchange", () => keyboardLock()?.unlock(), { once: true });
  }
}
