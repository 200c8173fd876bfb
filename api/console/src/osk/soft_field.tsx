/**
 * A field that opens the phone's own keyboard: what is written there is typed on the target at once. Words come
 * whole where a keyboard completes or swipes them; they are typed by the layout on the keys.
 */

import { useEffect, useRef } from "preact/hooks";
import { postText } from "../net/api";
import type { Session } from "../session";
import { text } from "../text";
import { useSession } from "../ui/context";
import { SENTINEL, type Stroke, strokesOf } from "./soft_input";

/** Types strokes in their order, one call after the other. */
class SoftTypist {
  readonly #session: Session;
  #last: Promise<unknown> = Promise.resolve();

  constructor(session: Session) {
    this.#session = session;
  }

  type(strokes: readonly Stroke[], keymap: string | undefined): void {
    for (const stroke of strokes) {
      if (stroke.kind === "key") {
        this.#last = this.#last.then(() => {
          this.#session.hid.do({ kind: "key", name: stroke.name, pressed: true });
          this.#session.hid.do({ kind: "key", name: stroke.name, pressed: false });
        });
      } else {
        const query = { limit: 0, ...(keymap === undefined ? {} : { keymap }) };
        this.#last = this.#last.then(() =>
          this.#session.attempt(text.peek().osk.type, () =>
            postText(this.#session.base, "api/hid/print", query, stroke.text),
          ),
        );
      }
    }
  }
}

function makeSoftTypist(session: Session): SoftTypist {
  return new SoftTypist(session);
}

export function SoftField({ keymap }: { keymap: string | undefined }) {
  const typist = useSession().part(makeSoftTypist);
  const words = text.value.osk;
  const field = useRef<HTMLInputElement>(null);
  const reset = (): void => {
    if (field.current !== null) {
      field.current.value = SENTINEL;
    }
  };
  useEffect(reset, []);
  const take = (): void => {
    typist.type(strokesOf(field.current?.value ?? SENTINEL), keymap);
    reset();
  };
  return (
    <input
      id="osk-soft"
      data-testid="osk-soft"
      class="osk-soft"
      ref={field}
      aria-label={words.type}
      autocomplete="off"
      autocapitalize="none"
      spellcheck={false}
      enterkeyhint="enter"
      onInput={(event) => {
        // A word that is still being composed comes whole, at its end.
        if (!event.isComposing) {
          take();
        }
      }}
      onCompositionEnd={take}
      onKeyDown={(event) => {
        if (event.key === "Enter" && !event.isComposing) {
          event.preventDefault();
          typist.type([{ kind: "key", name: "Enter" }], keymap);
        }
      }}
    />
  );
}
