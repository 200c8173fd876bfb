/** A new secret: shown once, to be copied. */

import { text } from "../../../text";
import { useSession } from "../../../ui/context";
import { Button, Row } from "../../../ui/kit";
import type { Kind, Made } from "./types";

export function Secret({ kind, made }: { kind: Kind; made: Made }) {
  const session = useSession();
  const words = text.value.access;
  const shown = made.path === undefined ? made.secret : new URL(made.path, session.base).href;
  const copy = async (): Promise<void> => {
    const done = await session.attempt(words.copy, () =>
      navigator.clipboard.writeText(shown).then(() => true),
    );
    if (done !== null) {
      session.notify(words.copied);
    }
  };
  return (
    <div role="status" class="section">
      <p>{kind === "tokens" ? words.tokenMade : words.shareMade}</p>
      <p>
        <code class="secret" id={`${kind}-secret`} data-testid={`${kind}-secret`}>
          {shown}
        </code>
      </p>
      {/* Browsers hand the clipboard to pages over TLS and of this machine alone; the text can be selected. */}
      {typeof navigator.clipboard?.writeText === "function" && (
        <Row>
          <Button id={`${kind}-copy`} onPress={() => void copy()}>
            {words.copy}
          </Button>
        </Row>
      )}
    </div>
  );
}
