/** What the page has to say or to ask: notices in a corner, and a modal question. */

import { useEffect, useRef } from "preact/hooks";
import type { Question } from "../session";
import { text } from "../text";
import { useSession } from "./context";

export function Notices() {
  const session = useSession();
  return (
    <div class="notices" role="alert" id="notices" data-testid="notices">
      {session.notices.value.map((notice) => (
        <div class="notice" key={notice.id}>
          <p>{notice.text}</p>
          <button type="button" class="tool" onClick={() => session.dismiss(notice.id)}>
            {text.value.common.dismiss}
          </button>
        </div>
      ))}
    </div>
  );
}

function Dialog({ question }: { question: Question }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  return (
    <dialog
      id="confirm"
      data-testid="confirm"
      class="dialog"
      ref={dialog}
      aria-labelledby="confirm-title"
      aria-describedby="confirm-text"
      // Escape closes it without a button.
      onClose={() => question.answer(dialog.current?.returnValue === "yes")}
    >
      <form method="dialog">
        <h2 id="confirm-title">{question.title}</h2>
        <p id="confirm-text">{question.text}</p>
        <div class="dialog-buttons">
          {/* The first button gets the focus: the harmless one. */}
          <button type="submit" value="no" id="confirm-no" data-testid="confirm-no" class="tool">
            {text.value.common.cancel}
          </button>
          <button
            type="submit"
            value="yes"
            id="confirm-yes"
            data-testid="confirm-yes"
            class="tool danger solid"
          >
            {question.action}
          </button>
        </div>
      </form>
    </dialog>
  );
}

export function Confirmation() {
  const question = useSession().question.value;
  return question === null ? null : <Dialog question={question} />;
}
