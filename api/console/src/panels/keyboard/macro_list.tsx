/** Macros: recorded, played, written by hand, kept in files. */

import { useState } from "preact/hooks";
import { formatSteps, type Macro, MacroError } from "../../macros/macro";
import { makeMacros } from "../../macros/macros";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Empty, Progress, Row, Section, Slider } from "../../ui/kit";
import { saveAs } from "../../ui/save";
import { TextArea, TextField } from "../../ui/text_field";

function capitalized(sentence: string): string {
  return sentence.charAt(0).toUpperCase() + sentence.slice(1);
}

/** Why a text was not taken, in words. */
function refusal(error: unknown): string {
  const words = text.value.macros;
  if (!(error instanceof MacroError)) {
    return String(error);
  }
  const reason = words.problem[error.problem](error.found);
  return error.line === 0 ? capitalized(reason) : words.refused(error.line, error.column, reason);
}

function Editor({ macro, onDone }: { macro: Macro; onDone: () => void }) {
  const macros = useSession().part(makeMacros);
  const words = text.value.macros;
  const [name, setName] = useState(macro.name);
  const [lines, setLines] = useState(() => formatSteps(macro.steps));
  const [failure, setFailure] = useState("");
  const save = (): void => {
    try {
      macros.edit(macro.name, name.trim() || macro.name, lines);
    } catch (error) {
      setFailure(refusal(error));
      return;
    }
    onDone();
  };
  return (
    <>
      <TextField id="macro-name" label={words.name} value={name} onText={setName} />
      <TextArea
        id="macro-text"
        label={words.stepsLabel}
        error={failure}
        rows={10}

        value={lines}
        onText={setLines}
      />
      <Row>
        <Button onPress={onDone}>{words.cancel}</Button>
        <Button id="macro-save" primary onPress={save}>
          {words.save}
        </Button>
      </Row>
    </>
  );
}

interface MacroItemProps {
  macro: Macro;
  rounds: number;
  speed: number;
  editing: boolean;
  onEdit: (editing: boolean) => void;
}

function MacroItem({ macro, rounds, speed, editing, onEdit }: MacroItemProps) {
  const session = useSession();
  const macros = session.part(makeMacros);
  const words = text.value.macros;
  const remove = async (): Promise<void> => {
    const title = words.confirmRemove(macro.name);
    if (await session.confirm({ title, text: words.confirmRemoveText, action: words.remove })) {
      macros.remove(macro.name);
    }
  };
  const busy = macros.player.replay.value !== null || macros.recording;
  return (
    <li data-testid={`macro-${macro.name}`}>
      <Row>
        <Button off={busy} onPress={() => void macros.play(macro, rounds, speed)}>
          {words.play}
          <span class="unseen"> {macro.name}</span>
        </Button>
        <strong>{macro.name}</strong>
        <small class="empty">{words.steps(macro.steps.length)}</small>
      </Row>
      {editing ? (
        <Editor macro={macro} onDone={() => onEdit(false)} />
      ) : (
        <Row>
          <Button onPress={() => onEdit(true)}>
            {words.edit}
            <span class="unseen"> {macro.name}</span>
          </Button>
          <Button danger onPress={() => void remove()}>
            {words.remove}
            <span class="unseen"> {macro.name}</span>
          </Button>
        </Row>
      )}
    </li>
  );
}

export function MacroList() {
  const session = useSession();
  const macros = session.part(makeMacros);
  const words = text.value.macros;
  const [rounds, setRounds] = useState(1);
  const [speed, setSpeed] = useState(1);
  const [edited, setEdited] = useState<string | null>(null);
  const replay = macros.player.replay.value;
  const take = async (file: File): Promise<void> => {
    const content = await file.text();
    try {
      const taken = macros.take(content);
      session.notify(words.taken(taken.macros, taken.shortcuts));
    } catch (error) {
      session.notify(refusal(error));
    }
  };
  return (
    <Section title={words.macros} id="macros">
      <Row>
        {macros.recording ? (
          <Button
            id="macro-finish"
            primary
            onPress={() => {
              const name = macros.finish(words.recorded);
              if (name === null) {
                session.notify(words.nothingRecorded);
              }
              setEdited(name);
            }}
          >
            {words.finish}
          </Button>
        ) : (
          <Button id="macro-record" off={replay !== null} onPress={() => macros.record()}>
            {words.record}
          </Button>
        )}
        {replay !== null && (
          <Button id="macro-stop" danger onPress={() => macros.player.stop()}>
            {words.stop}
          </Button>
        )}
      </Row>
      {replay !== null && (
        <Progress
          label={words.playing(replay.name)}
          share={replay.count === 0 ? null : replay.done / replay.count}
        />
      )}
      {macros.list.value.length === 0 && <Empty>{words.none}</Empty>}
      <ul class="plain-list">
        {macros.list.value.map((macro) => (
          <MacroItem
            key={macro.name}
            macro={macro}
            rounds={rounds}
            speed={speed}
            editing={edited === macro.name}
            onEdit={(editing) => setEdited(editing ? macro.name : null)}
          />
        ))}
      </ul>
      <Slider
        id="macro-rounds"
        label={words.rounds}
        value={rounds}
        min={1}
        max={100}
        format={(count) => String(count)}
        onChange={setRounds}
      />
      <Slider
        id="macro-speed"
        label={words.speed}
        value={speed}
        min={0.25}
        max={8}
        step={0.25}
        format={words.times}
        onChange={setSpeed}
      />
      <Row>
        <Button
          id="macro-export"
          off={macros.list.value.length === 0 && macros.shortcuts.length === 0}
          onPress={() => saveAs(new Blob([macros.text], { type: "text/plain" }), "macros.txt")}
        >
          {words.exportAll}
        </Button>
        <label class="tool">
          {words.importFile}
          <input
            class="unseen"
            type="file"
            id="macro-import"
            data-testid="macro-import"
            accept=".txt"
            onChange={(event) => {
              const [file] = event.currentTarget.files ?? [];
              if (file !== undefined) {
                void take(file);
              }
              event.currentTarget.value = "";
            }}
          />
        </label>
      </Row>
    </Section>
  );
}
