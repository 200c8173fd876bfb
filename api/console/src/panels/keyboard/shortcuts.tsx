/** Chords that browser or system keep for themselves, and those that people make. */

import { useRef, useState } from "preact/hooks";
import { ChordCapture, chordLabel } from "../../hid/chord";
import { keyName } from "../../hid/keys";
import type { Shortcut } from "../../macros/macro";
import { makeMacros } from "../../macros/macros";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Empty, Field, Row, Section } from "../../ui/kit";
import { TextField } from "../../ui/text_field";

const COMMON = [
  ["ControlLeft", "AltLeft", "Delete"],
  ["AltLeft", "Tab"],
  ["AltLeft", "ShiftLeft", "Tab"],
  ["AltLeft", "F4"],
  ["ControlLeft", "KeyW"],
  ["ControlLeft", "AltLeft", "Backspace"],
  ["ControlLeft", "ShiftLeft", "Escape"],
  ["PrintScreen"],
  ["AltLeft", "PrintScreen"],
  ["Pause"],
  ["ContextMenu"],
  ["Escape"],
  ["F11"],
] as const;

const WINDOWS = [
  ["MetaLeft"],
  ["MetaLeft", "KeyL"],
  ["MetaLeft", "KeyD"],
  ["MetaLeft", "KeyR"],
  ["MetaLeft", "KeyE"],
  ["MetaLeft", "KeyX"],
  ["MetaLeft", "Tab"],
  ["ControlLeft", "AltLeft", "KeyT"],
] as const;

const CONSOLES = Array.from(
  { length: 12 },
  (_, index) => ["ControlLeft", "AltLeft", `F${index + 1}`] as const,
);

/** What people know as "REISUB" and its neighbours, and whether it cannot be undone. */
const SYSRQ = [
  ["KeyH", false],
  ["KeyR", false],
  ["KeyE", true],
  ["KeyI", true],
  ["KeyS", false],
  ["KeyU", true],
  ["KeyB", true],
  ["KeyO", true],
  ["KeyF", true],
  ["KeyW", false],
] as const;

function useSend(): (keys: readonly string[]) => void {
  const session = useSession();
  return (keys) => {
    const what = text.value.macros.send(chordLabel(keys));
    void session.act(what, "api/hid/events/send_shortcut", { keys: keys.join(",") });
  };
}

function Chords({ title, chords }: { title: string; chords: readonly (readonly string[])[] }) {
  const send = useSend();
  return (
    <div class="chords" role="group" aria-label={title}>
      <h4>{title}</h4>
      <Row>
        {chords.map((keys) => (
          <Button key={keys.join()} id={`chord-${keys.join("-")}`} onPress={() => send(keys)}>
            {chordLabel(keys)}
          </Button>
        ))}
      </Row>
    </div>
  );
}

function SysRq() {
  const session = useSession();
  const send = useSend();
  const words = text.value.macros;
  const press = async (letter: string, final: boolean): Promise<void> => {
    const what = words.sysrq[letter] ?? letter;
    const sure =
      !final ||
      (await session.confirm({
        title: words.confirmSysrq(what),
        text: words.confirmSysrqText,
        action: what,
      }));
    if (sure) {
      send(["AltLeft", "PrintScreen", letter]);
    }
  };
  return (
    <div class="chords" role="group" aria-label={words.groups.sysrq}>
      <h4>{words.groups.sysrq}</h4>
      <Row>
        {SYSRQ.map(([letter, final]) => (
          <Button
            key={letter}
            id={`sysrq-${letter}`}
            danger={final}
            hint={words.sysrq[letter] ?? letter}
            onPress={() => void press(letter, final)}
          >
            {letter.slice(-1)}
            <span class="unseen"> {words.sysrq[letter]}</span>
          </Button>
        ))}
      </Row>
    </div>
  );
}

function OwnItem({ shortcut, onEdit }: { shortcut: Shortcut; onEdit: () => void }) {
  const session = useSession();
  const send = useSend();
  const words = text.value.macros;
  const remove = async (): Promise<void> => {
    const title = words.confirmRemoveShortcut(shortcut.name);
    if (await session.confirm({ title, text: words.confirmRemoveText, action: words.remove })) {
      session.part(makeMacros).removeShortcut(shortcut.name);
    }
  };
  return (
    <li>
      <Row>
        <Button
          id={`own-${shortcut.name}`}
          hint={chordLabel(shortcut.keys)}
          onPress={() => send(shortcut.keys)}
        >
          {shortcut.name}
        </Button>
        <Button onPress={onEdit}>
          {words.edit}
          <span class="unseen"> {shortcut.name}</span>
        </Button>
        <Button danger onPress={() => void remove()}>
          {words.remove}
          <span class="unseen"> {shortcut.name}</span>
        </Button>
      </Row>
    </li>
  );
}

function Own() {
  const macros = useSession().part(makeMacros);
  const words = text.value.macros;
  const [keys, setKeys] = useState<readonly string[]>([]);
  const [name, setName] = useState("");
  /** The name of the one that is being changed. */
  const [edited, setEdited] = useState<string | null>(null);
  const capture = useRef(new ChordCapture()).current;
  const fill = (shortcut: Shortcut | null): void => {
    setEdited(shortcut?.name ?? null);
    setName(shortcut?.name ?? "");
    setKeys(shortcut?.keys ?? []);
  };
  const save = (): void => {
    macros.keepShortcut({ name: name.trim() || chordLabel(keys), keys }, edited);
    fill(null);
  };
  return (
    <>
      <h4>{words.own}</h4>
      {macros.shortcuts.length === 0 && <Empty>{words.noOwn}</Empty>}
      <ul class="plain-list">
        {macros.shortcuts.map((shortcut) => (
          <OwnItem key={shortcut.name} shortcut={shortcut} onEdit={() => fill(shortcut)} />
        ))}
      </ul>
      <Field id="shortcut-keys" label={words.capture} hint={words.captureHint}>
        {(props) => (
          <input
            id={props.id}
            data-testid={props.id}
            aria-describedby={props.describedBy}
            value={chordLabel(keys)}
            onKeyDown={(event) => {
              const key = keyName(event.code);
              // Tab alone moves on, as everywhere on the page.
              if (key !== null && (key !== "Tab" || event.ctrlKey || event.altKey || event.metaKey)) {
                event.preventDefault();
                setKeys(capture.press(key));
              }
            }}
            onKeyUp={(event) => capture.release(keyName(event.code) ?? "")}
            onBlur={() => capture.clear()}
          />
        )}
      </Field>
      <TextField id="shortcut-name" label={words.name} value={name} onText={setName} />
      <Row>
        {edited !== null && <Button onPress={() => fill(null)}>{words.cancel}</Button>}
        <Button id="shortcut-add" primary off={keys.length === 0} onPress={save}>
          {edited === null ? words.add : words.save}
        </Button>
      </Row>
    </>
  );
}

export function Shortcuts() {
  const words = text.value.macros;
  return (
    <Section title={words.shortcuts}>
      <Chords title={words.groups.common} chords={COMMON} />
      <Chords title={words.groups.windows} chords={WINDOWS} />
      <Chords title={words.groups.consoles} chords={CONSOLES} />
      <SysRq />
      <Own />
    </Section>
  );
}
