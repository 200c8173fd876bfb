/** The slots, and installing a bundle into the one that does not run. */

import { useEffect, useRef, useState } from "preact/hooks";
import { call } from "../../../net/api";
import type { Installation, UpdateState } from "../../../state/types/update";
import { text } from "../../../text";
import { bytes } from "../../../text/units";
import { useSession } from "../../../ui/context";
import { Button, Empty, Loading, Progress, Row, Section } from "../../../ui/kit";
import { TextField } from "../../../ui/text_field";
import { makeInstaller } from "./installer";
import { Restart } from "./restart";

function Progressing({ installation }: { installation: Installation }) {
  const words = text.value.maintenance;
  const { decimal } = text.value.drives;
  const { phase, size, received, percent, message, error } = installation;
  if (phase === "failed") {
    return (
      <p class="complaint" role="alert" id="update-failed">
        {words.phase.failed}: {error}
      </p>
    );
  }
  if (phase === "done") {
    return (
      <p role="status" id="update-done">
        {words.phase.done}.
      </p>
    );
  }
  const receiving = phase === "receiving";
  return (
    <Progress
      id="update-progress"
      label={words.phase[phase]}
      share={receiving ? (size === 0 ? null : received / size) : percent / 100}
      detail={receiving ? words.received(bytes(received, decimal), bytes(size, decimal)) : message}
    />
  );
}

function Slots({ update }: { update: UpdateState }) {
  const words = text.value.maintenance;
  return (
    <>
      <ul class="plain-list" id="slots">
        {update.slots.map((slot) => (
          <li key={slot.name} data-testid={`slot-${slot.name}`} data-condition={slot.condition}>
            <strong>{words.slot(slot.name)}</strong> {slot.version ?? words.noVersion}
            <br />
            <small>{words.condition[slot.condition]}</small>
          </li>
        ))}
      </ul>
      {update.given_up !== null && (
        <p class="complaint" id="given-up">
          {words.givenUp(update.given_up.version, update.given_up.slot, update.given_up.reason)}
        </p>
      )}
    </>
  );
}

export function Updates() {
  const session = useSession();
  const words = text.value.maintenance;
  const installer = session.part(makeInstaller);
  const update = session.appliance.states.update.value;
  const chooser = useRef<HTMLInputElement>(null);
  const [url, setUrl] = useState("");
  // The appliance looks at its slots when it is asked, and tells what it sees by its event.
  useEffect(
    () => void session.attempt(words.updates, () => call("GET", session.base, "api/update")),
    [session],
  );
  if (update === null) {
    return (
      <Section title={words.updates}>
        <Loading />
      </Section>
    );
  }
  const busy =
    installer.isRunning ||
    update.installation?.phase === "receiving" ||
    update.installation?.phase === "installing";
  return (
    <Section title={words.updates} id="updates">
      <p>{words.version(update.version)}</p>
      {!update.supported && <Empty>{update.reason}</Empty>}
      {update.supported && (
        <>
          <Slots update={update} />
          {update.installation !== null && <Progressing installation={update.installation} />}
          {update.restart_needed && !busy && (
            <>
              <p role="status">{words.restartNeeded}</p>
              <Row>
                <Restart id="update-restart" />
              </Row>
            </>
          )}
          <Row>
            <Button id="update-choose" off={busy} onPress={() => chooser.current?.click()}>
              {words.choose}
            </Button>
            <input
              ref={chooser}
              id="update-file"
              data-testid="update-file"
              type="file"
              accept=".raucb"
              hidden
              onChange={(event) => {
                const file = event.currentTarget.files?.[0];
                event.currentTarget.value = "";
                if (file !== undefined) {
                  void installer.install(file);
                }
              }}
            />
            {installer.isRunning && update.installation?.phase === "receiving" && (
              <Button id="update-cancel" onPress={() => installer.cancel()}>
                {words.cancel}
              </Button>
            )}
          </Row>
          <TextField
            id="update-url"
            label={words.bundleUrl}
            hint={words.urlHint}
            type="url"
            value={url}
            onText={setUrl}
          />
          <Row>
            <Button
              id="update-install"
              off={busy || !url.startsWith("https://")}
              onPress={() => void installer.install(url)}
            >
              {words.install}
            </Button>
          </Row>
          {update.board !== null && <p class="empty">{words.board(update.board)}</p>}
        </>
      )}
    </Section>
  );
}
