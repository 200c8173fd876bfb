/** A text that the appliance types on the target's keyboard. */

import { useState } from "preact/hooks";
import { callWithText } from "../../net/api";
import { asNumber, preference } from "../../state/preferences";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Choice, Progress, Row, Section, Slider, Toggle } from "../../ui/kit";
import { TextArea } from "../../ui/text_field";
import { draft } from "./draft";
import { makeTyping } from "./typing";

const keymapChoice = preference<string | null>("keymap", null, (value) =>
  typeof value === "string" || value === null ? value : undefined,
);
const delay = preference("typingDelay", 0, asNumber(0, 200));

const SHOWN = 5;

interface Check {
  left_out_count: number;
  left_out: { at: number; character: string }[];
}

/** What would be left out, in words; "" if nothing would. */
function complaintOf(check: Check, content: string): string {
  const words = text.value.paste;
  if (check.left_out_count === 0) {
    return "";
  }
  const characters = [...content];
  const lineOf = (at: number): number => characters.slice(0, at).filter((one) => one === "\n").length + 1;
  const places = check.left_out
    .slice(0, SHOWN)
    .map(({ at, character }) => words.place(character, lineOf(at)));
  const more = check.left_out_count - places.length;
  return words.leftOut(check.left_out_count, [...places, ...(more > 0 ? [words.more(more)] : [])].join(", "));
}

function TypingProgress() {
  const typing = useSession().part(makeTyping);
  const words = text.value.paste;
  const state = typing.state.value;
  if (state === null) {
    return null;
  }
  const { done, count, running, reason } = state;
  return (
    <>
      <Progress
        id="typing-progress"
        label={words.typing}
        share={count === 0 ? 1 : done / count}
        detail={words.progress(done, count)}
      />
      {reason !== "" && (
        <p id="typing-reason" role="alert">
          {reason}
        </p>
      )}
      <Row>
        {running && (
          <Button id="typing-stop" danger onPress={() => typing.stop()}>
            {words.stop}
          </Button>
        )}
        {!running && done < count && (
          <Button id="typing-go-on" onPress={() => void typing.goOn()}>
            {words.goOn}
          </Button>
        )}
      </Row>
    </>
  );
}

export function Paste() {
  const session = useSession();
  const typing = session.part(makeTyping);
  const words = text.value.paste;
  const [hidden, setHidden] = useState(false);
  const [complaint, setComplaint] = useState("");
  const keymaps = session.appliance.states.hid_keymaps.value?.keymaps;
  if (keymaps === undefined) {
    return null;
  }
  const chosen = keymapChoice.value;
  const keymap = chosen !== null && keymaps.available.includes(chosen) ? chosen : keymaps.default;
  const names = new Intl.DisplayNames(text.value.drives.locale, { type: "language" });
  const nameOf = (name: string): string => {
    try {
      const language = names.of(name.replace("_", "-"));
      return language === undefined || language === name ? name : `${language} (${name})`;
    } catch {
      return name;
    }
  };
  const content = draft.value.replaceAll("\r\n", "\n");
  const running = typing.state.value?.running === true;
  const type = async (): Promise<void> => {
    if (complaint === "") {
      const check = await session.attempt(words.title, () =>
        callWithText<Check>(session.base, "api/hid/print/check", { keymap }, content),
      );
      if (check === null) {
        return;
      }
      const found = complaintOf(check, content);
      if (found !== "") {
        setComplaint(found);
        return;
      }
    }
    setComplaint("");
    await typing.start(content, keymap, delay.peek());
  };
  const change = (now: string): void => {
    draft.value = now;
    setComplaint("");
    typing.forget();
  };
  return (
    <Section title={words.title} id="paste">
      <TextArea
        id="paste-text"
        label={words.text}
        error={complaint}
        class={hidden ? "secret" : ""}
        rows={6}
        value={draft.value}
        onText={change}
      />
      <Toggle id="paste-hidden" label={words.hidden} on={hidden} onChange={setHidden} />
      <Choice
        id="paste-keymap"
        label={words.layout}
        hint={words.layoutHint}
        value={keymap}
        options={keymaps.available.map((name) => [name, nameOf(name)])}
        onChange={(name) => {
          keymapChoice.value = name;
          setComplaint("");
        }}
      />
      <Slider
        id="paste-delay"
        label={words.speed}
        value={delay.value}
        min={0}
        max={200}
        step={5}
        format={words.ms}
        onChange={(ms) => {
          delay.value = ms;
        }}
      />
      <Row>
        <Button id="paste-type" primary off={running || content === ""} onPress={() => void type()}>
          {complaint === "" ? words.type : words.typeAnyway}
        </Button>
        {typeof navigator.clipboard?.readText === "function" && (
          <Button
            id="paste-clipboard"
            onPress={() =>
              void navigator.clipboard.readText().then(change, () => session.notify(words.noClipboard))
            }
          >
            {words.fromClipboard}
          </Button>
        )}
      </Row>
      <TypingProgress />
    </Section>
  );
}
