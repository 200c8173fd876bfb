/** The on-screen keyboard's place and its button; the keyboard itself is loaded when it is first opened. */

import { lazy, Suspense } from "preact/compat";
import { oskOpen } from "../osk/settings";
import { text } from "../text";
import { useSession } from "./context";
import { KeysIcon } from "./icons";

const OnScreenKeyboard = lazy(() => import("../osk/keyboard"));

export function OskHost() {
  const { rights } = useSession();
  return oskOpen.value && rights.may("type") ? (
    <Suspense fallback={null}>
      <OnScreenKeyboard />
    </Suspense>
  ) : null;
}

export function OskButton() {
  if (!useSession().rights.may("type")) {
    return null;
  }
  const words = text.value.osk;
  return (
    <button
      type="button"
      id="osk-toggle"
      data-testid="osk-toggle"
      class="activity"
      title={words.title}
      aria-expanded={oskOpen.value}
      onClick={() => {
        oskOpen.value = !oskOpen.peek();
      }}
    >
      <KeysIcon />
      <span class="unseen">{words.title}</span>
    </button>
  );
}
