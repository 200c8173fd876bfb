/** Making a backup: a password, and a file to keep. */

import { useEffect, useState } from "preact/hooks";
import { blobOfForm, call } from "../../../net/api";
import { text } from "../../../text";
import { bytes } from "../../../text/units";
import { useSession } from "../../../ui/context";
import { Button, Row, Section } from "../../../ui/kit";
import { saveAs, stamp } from "../../../ui/save";
import { TextField } from "../../../ui/text_field";

export const PASSWORD_MIN_CHARS = 8;

interface Contents {
  files: number;
  size: number;
  left_out: string[];
}

export function Backup() {
  const session = useSession();
  const words = text.value.maintenance;
  const [contents, setContents] = useState<Contents | null>(null);
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    void session
      .attempt(words.backup, () => call<Contents>("GET", session.base, "api/backup"))
      .then(setContents);
  }, [session]);
  const make = async (): Promise<void> => {
    setBusy(true);
    const made = await session.attempt(words.makeBackup, () =>
      blobOfForm(session.base, "api/backup", new URLSearchParams({ password })),
    );
    setBusy(false);
    if (made !== null) {
      setPassword("");
      saveAs(made, `farhand-${stamp()}.age`);
    }
  };
  return (
    <Section title={words.backup} id="backup">
      <p>{words.backupHint}</p>
      {contents !== null && (
        <p class="empty" id="backup-contents">
          {words.backupContents(contents.files, bytes(contents.size, text.value.drives.decimal))}
        </p>
      )}
      {contents !== null && contents.left_out.length > 0 && (
        <>
          <p>{words.leftOut}</p>
          <ul class="plain-list">
            {contents.left_out.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </>
      )}
      <TextField
        id="backup-password"
        type="new-password"
        label={words.backupPassword}
        hint={words.backupPasswordHint}
        value={password}
        onText={setPassword}
      />
      <Row>
        <Button
          id="backup-make"
          off={busy || password.length < PASSWORD_MIN_CHARS}
          onPress={() => void make()}
        >
          {words.makeBackup}
        </Button>
      </Row>
    </Section>
  );
}
