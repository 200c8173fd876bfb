/** The ways in which a page loses keyboard and mouse without their last events: each has to let all go. */

/** Call `release` whenever the page is left, until `signal` is aborted. */
export function whenLeft(release: () => void, signal: AbortSignal): void {
  window.addEventListener("blur", release, { signal });
  window.addEventListener("pagehide", release, { signal });
  document.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState === "hidden") {
        release();
      }
    },
    { signal },
  );
}
