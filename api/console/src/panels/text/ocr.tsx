/** Text from the target's screen, recognised by the appliance (contract http.md 4.5). */

import { useState } from "preact/hooks";
import { getText } from "../../net/api";
import { preference } from "../../state/preferences";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Empty, Row, Section, Toggle } from "../../ui/kit";
import { TextArea } from "../../ui/text_field";
import { draft } from "./draft";
import type { Edges } from "./region";
import { Selector, selecting } from "./selector";

const chosenLanguages = preference<readonly string[] | null>("ocrLanguages", null, (value) =>
  value === null || (Array.isArray(value) && value.every((name) => typeof name === "string"))
    ? (value as string[] | null)
    : undefined,
);

/** What Tesseract calls a language, by its name for people; "osd" is none. */
function nameOf(code: string, names: Intl.DisplayNames): string {
  try {
    return names.of(code.split("_")[0] ?? code) ?? code;
  } catch {
    return code;
  }
}

export function Ocr() {
  const session = useSession();
  const words = text.value.ocr;
  const ocr = session.appliance.states.ocr.value;
  const [busy, setBusy] = useState(false);
  const [found, setFound] = useState<string | null>(null);
  if (ocr === null || !ocr.enabled) {
    return (
      <Section title={words.title} id="ocr">
        <Empty>{words.disabled}</Empty>
      </Section>
    );
  }
  const available = ocr.langs.available.filter((name) => name !== "osd");
  const chosen = (chosenLanguages.value ?? ocr.langs.default).filter((name) => available.includes(name));
  const names = new Intl.DisplayNames(text.value.drives.locale, { type: "language" });
  const read = async (edges: Edges | null): Promise<void> => {
    setBusy(true);
    const region =
      edges === null
        ? {}
        : { ocr_left: edges.left, ocr_top: edges.top, ocr_right: edges.right, ocr_bottom: edges.bottom };
    const query = { ocr: 1, ...region, ...(chosen.length > 0 ? { ocr_langs: chosen.join(",") } : {}) };
    const answer = await session.attempt(words.title, () =>
      getText(session.base, "api/streamer/snapshot", query),
    );
    setBusy(false);
    if (answer !== null) {
      setFound(answer.trimEnd());
    }
  };
  return (
    <Section title={words.title} id="ocr">
      <div role="group" aria-label={words.languages} class="languages">
        {available.map((name) => (
          <Toggle
            key={name}
            id={`ocr-${name}`}
            label={nameOf(name, names)}
            on={chosen.includes(name)}
            onChange={(on) => {
              chosenLanguages.value = on ? [...chosen, name] : chosen.filter((other) => other !== name);
            }}
          />
        ))}
      </div>
      <Row>
        <Button
          id="ocr-select"
          primary
          off={busy}
          onPress={() => {
            selecting.value = true;
          }}
        >
          {words.select}
        </Button>
        <Button id="ocr-whole" off={busy} onPress={() => void read(null)}>
          {words.whole}
        </Button>
      </Row>
      {selecting.value && <Selector onChosen={(edges) => void read(edges)} />}
      {busy && <p role="status">{words.reading}</p>}
      {found !== null && (
        <>
          <TextArea
            id="ocr-result"
            label={words.result}
            rows={8}

            placeholder={words.nothing}
            value={found}
            onText={setFound}
          />
          <Row>
            {typeof navigator.clipboard?.writeText === "function" && (
              <Button
                id="ocr-copy"
                onPress={() =>
                  void session
                    .attempt(words.copy, () => navigator.clipboard.writeText(found).then(() => true))
                    .then((done) => done === true && session.notify(words.copied))
                }
              >
                {words.copy}
              </Button>
            )}
            <Button
              id="ocr-type"
              onPress={() => {
                draft.value = found;
              }}
            >
              {words.typeIt}
            </Button>
          </Row>
        </>
      )}
    </Section>
  );
}
