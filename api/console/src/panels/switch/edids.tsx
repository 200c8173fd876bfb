/** The EDIDs that the switch can show its ports: list, new one from hexadecimal digits or a file, name, removal. */

import { useState } from "preact/hooks";
import { call } from "../../net/api";
import type { SwitchEdid, SwitchState } from "../../state/types/switch";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Field, Row, Section } from "../../ui/kit";
import { TextArea, TextField } from "../../ui/text_field";
import { hexOfFile } from "../../edid/edid_file";
import { edidNames } from "./words";

function told({ parsed, data }: SwitchEdid): string {
  const words = text.value.kvm_switch;
  if (parsed === null) {
    return words.unreadableEdid;
  }
  const monitor = parsed.monitor_name ?? words.noMonitorName;
  return `${parsed.mfc_id} ${monitor}, ${words.bytes(data.length / 2)}`;
}

function Edid({ id, edid, inUse }: { id: string; edid: SwitchEdid; inUse: number }) {
  const session = useSession();
  const words = text.value.kvm_switch;
  const remove = async (): Promise<void> => {
    const title = words.confirmRemoveEdid(edid.name);
    if (await session.confirm({ title, text: words.confirmRemoveEdidText(inUse), action: words.remove })) {
      await session.act(words.remove, "api/switch/edids/remove", { id });
    }
  };
  return (
    <li class="switch-edid">
      <Field id={`switch-edid-${id}`} label={words.edid} hint={`${told(edid)} · ${words.usedBy(inUse)}`}>
        {(props) => (
          <input
            id={props.id}
            data-testid={props.id}
            aria-describedby={props.describedBy}
            value={edid.name}
            readOnly={id === "default"}
            onChange={(event) => {
              const name = event.currentTarget.value;
              event.currentTarget.value = edid.name;
              void session.act(words.edid, "api/switch/edids/change", { id, name });
            }}
          />
        )}
      </Field>
      {id !== "default" && (
        <Button id={`switch-edid-${id}-remove`} danger onPress={() => void remove()}>
          {words.remove}
        </Button>
      )}
    </li>
  );
}

export function Edids({ state }: { state: SwitchState }) {
  const session = useSession();
  const words = text.value.kvm_switch;
  const [name, setName] = useState("");
  const [data, setData] = useState("");
  const add = async (): Promise<void> => {
    const query = { name, data: data.replace(/\s+/g, "") };
    const made = await session.attempt(words.newEdid, () =>
      call("POST", session.base, "api/switch/edids/create", query),
    );
    if (made !== null) {
      setName("");
      setData("");
    }
  };
  return (
    <Section title={words.edids}>
      <ul class="plain-list">
        {edidNames(state).map(([id]) => (
          <Edid
            key={id}
            id={id}
            edid={state.edids.all[id] as SwitchEdid}
            inUse={state.edids.used.filter((used) => used === id).length}
          />
        ))}
      </ul>
      <TextField id="switch-edid-new-name" label={words.newEdidName} value={name} onText={setName} />
      <TextArea
        id="switch-edid-new-data"
        label={words.newEdidData}
        hint={words.newEdidHint}
        rows={3}

        value={data}
        onText={setData}
      />
      <Row>
        <label class="tool">
          {words.fromFile}
          <input
            class="unseen"
            type="file"
            accept=".bin,.hex,.txt,.edid"
            onChange={(event) => {
              const [file] = event.currentTarget.files ?? [];
              if (file !== undefined) {
                void file.arrayBuffer().then((buffer) => {
                  setData(hexOfFile(new Uint8Array(buffer)));
                  setName((before) => (before === "" ? file.name.replace(/\.[^.]*$/, "") : before));
                });
              }
              event.currentTarget.value = "";
            }}
          />
        </label>
        <Button
          id="switch-edid-add"
          primary
          off={name.trim() === "" || data.trim() === ""}
          onPress={() => void add()}
        >
          {words.addEdid}
        </Button>
      </Row>
    </Section>
  );
}
