/** Whether the page is connected, and when it tries again if not. */

import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { text } from "../text";
import { useSession } from "./context";

const COUNTDOWN_STEP_MS = 250;

/** The state in a word. */
export function Connection() {
  const { phase } = useSession().control.status.value;
  return (
    <span id="conn-state" data-testid="conn-state" class="pill" data-state={phase} role="status">
      <span class="pill-text">{text.value.link[phase]}</span>
    </span>
  );
}

/** Seconds until `retryAtMs`, counting down while it is shown, and a button for those who cannot wait. */
export function Retry({ retryAtMs }: { retryAtMs: number }) {
  const session = useSession();
  const words = text.value.link;
  const [now] = useState(() => signal(Date.now()));
  useEffect(() => {
    const timer = setInterval(() => {
      now.value = Date.now();
    }, COUNTDOWN_STEP_MS);
    return () => clearInterval(timer);
  }, [now]);
  return (
    <p class="retry">
      <span class="countdown">{words.retryIn(Math.max(0, Math.ceil((retryAtMs - now.value) / 1_000)))}</span>
      <button
        type="button"
        id="retry"
        data-testid="retry"
        class="tool"
        onClick={() => session.control.hurry()}
      >
        {words.retry}
      </button>
    </p>
  );
}
