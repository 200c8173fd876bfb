/** Restoring a backup: the appliance looks through it, and it waits for the next start. */

import { useEffect, useRef, useState } from "preact/hooks";
import { call, callWithParts } from "../../../net/api";
import { text } from "../../../text";
import { useSession } from "../../../ui/context";
import { Button, Row, Section } from "../../../ui/kit";
import { TextField } from "../../../ui/text_field";
import { PASSWORD_MIN_CHARS } from "./backup";
import { Restart } from "./restart";

interface Restored {
  host_name: string;
  made_at: string;
  warnings: string[];
}

export function Restore() {
  const session = useSession();
  const words = text.value.maintenance;
  const chooser = useRef<HTMLInputElement>(null);
  const [password, setPassword] = useState("");
  const [pending, setPending] = useState(false);
  const [restored, setRestored] = useState<Restored | null>(null);
  const [busy, setBusy] = useState(false);
  const look = async (): Promise<void> => {
    const state = await session.attempt(words.restoreTitle, () =>
      call<{ restore_pending: boolean }>("GET", session.base, "api/backup"),
    );
    setPending(state?.restore_pending ?? false);
  };
  useEffect(() => void look(), [session]);
  const restore = async (file: File): Promise<void> => {
    const question = {
      title: words.confirmRestore,
      text: words.confirmRestoreText,
      action: words.restore,
    };
    if (!(await session.confirm(question))) {
      return;
    }
    const form = new FormData();
    form.set("password", password);
    form.set("file", file);
    setBusy(true);
    const answer = await session.attempt(words.restore, () =>
      callWithParts<Restored>(session.base, "api/restore", form),
    );
    setBusy(false);
    setRestored(answer);
    if (answer !== null) {
      setPassword("");
    }
    await look();
  };
  const forget = async (): Promise<void> => {
    await session.attempt(words.forget, () => call("DELETE", session.base, "api/restore"));
    setRestored(null);
    await look();
  };
  return (
    <Section title={words.restoreTitle} id="restore">
      {restored !== null && (
        <p role="status" id="restored">
          {words.restored(
            restored.host_name,
            new Date(restored.made_at).toLocaleString(document.documentElement.lang),
          )}
        </p>
      )}
      {restored?.warnings.map((line) => (
        <p class="empty" key={line}>
          {line}
        </p>
      ))}
      {pending && (
        <>
          <p role="status" id="restore-pending">
            {words.restorePending}
          </p>
          <Row>
            <Restart id="restore-restart" />
            <Button id="restore-forget" onPress={() => void forget()}>
              {words.forget}
            </Button>
          </Row>
        </>
      )}
      <TextField
        id="restore-password"
        type="current-password"
        label={words.restorePassword}
        value={password}
        onText={setPassword}
      />
      <Row>
        <Button
          id="restore-choose"
          off={busy || password.length < PASSWORD_MIN_CHARS}
          onPress={() => chooser.current?.click()}
        >
          {words.chooseBackup}
        </Button>
        <input
          ref={chooser}
          id="restore-file"
          data-testid="restore-file"
          type="file"
          accept=".age"
          hidden
          onChange={(event) => {
            const file = event.currentTarget.files?.[0];
            event.currentTarget.value = "";
            if (file !== undefined) {
              void restore(file);
            }
          }}
        />
      </Row>
    </Section>
  );
}
