/** The appliance's log, live. It is read while this page is open, and again from its beginning after a break. */

import { signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, failureOf } from "../../net/api";
import { retryDelayMs } from "../../net/backoff";
import { endpoint } from "../../net/urls";
import { text } from "../../text";
import { actionFailure } from "../../text/failures";
import { useSession } from "../../ui/context";
import { Button, Row, Section, Toggle } from "../../ui/kit";
import { saveAs, stamp } from "../../ui/save";
import { TextField } from "../../ui/text_field";
import { LINES_KEPT, LogLines, matching } from "./log_lines";

/** As far back as people look first. */
const SEEK_S = 3_600;
const PATH = "api/log";
/** Fractions of a pixel are lost at some zoom factors. */
const END_SLACK_PX = 4;

/** Read until `stop`, with backoff after a break; `onChange` after each piece. */
async function follow(base: URL, log: LogLines, stop: AbortSignal, onChange: (failure: unknown) => void) {
  for (let attempt = 0; !stop.aborted; attempt++) {
    try {
      const query = { follow: 1, seek: SEEK_S };
      const response = await fetch(endpoint(base, PATH, query), { cache: "no-store", signal: stop });
      if (!response.ok || response.body === null) {
        throw await failureOf(response);
      }
      log.clear();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) {
        attempt = 0;
        log.push(part.value);
        onChange(null);
      }
    } catch (error) {
      if (!stop.aborted) {
        onChange(error instanceof ApiError ? error : new ApiError(0, "", String(error)));
      }
    }
    await new Promise((resolve) => setTimeout(resolve, retryDelayMs(attempt, Math.random())));
  }
}

export default function LogPage() {
  const session = useSession();
  const words = text.value.system;
  const [log] = useState(() => new LogLines());
  const [version] = useState(() => signal(0));
  const [failure, setFailure] = useState<unknown>(null);
  const [wanted, setWanted] = useState("");
  const [paused, setPaused] = useState(false);
  const [still, setStill] = useState<readonly string[]>([]);
  const list = useRef<HTMLPreElement>(null);
  /** Whether the reader is at the end, and so goes along with it. */
  const atEnd = useRef(true);
  useEffect(() => {
    const stop = new AbortController();
    let due = 0;
    void follow(session.base, log, stop.signal, (error) => {
      setFailure(error);
      // Many pieces may come before the next picture of the page.
      cancelAnimationFrame(due);
      due = requestAnimationFrame(() => {
        version.value++;
      });
    });
    return () => {
      stop.abort();
      cancelAnimationFrame(due);
    };
  }, [session]);
  // Read, so that this component follows it.
  void version.value;
  const shown = matching(paused ? still : log.lines, wanted);
  useEffect(() => {
    const element = list.current;
    if (!paused && atEnd.current && element !== null) {
      element.scrollTop = element.scrollHeight;
    }
  });
  return (
    <Section title={words.log}>
      <TextField id="log-filter" label={words.filter} type="search" value={wanted} onText={setWanted} />
      <Row>
        <Toggle
          id="log-pause"
          label={words.pause}
          on={paused}
          onChange={(on) => {
            setStill([...log.lines]);
            setPaused(on);
          }}
        />
        <a
          id="log-download"
          class="tool"
          href={endpoint(session.base, PATH, { seek: 0 })}
          download={`log-${stamp()}.txt`}
        >
          {words.downloadAll}
        </a>
        <Button
          onPress={() => saveAs(new Blob([shown.join("\n")], { type: "text/plain" }), `log-${stamp()}.txt`)}
        >
          {words.saveShown}
        </Button>
      </Row>
      {failure !== null && <p role="status">{actionFailure(text.value, words.log, failure)}</p>}
      <p class="empty">
        {words.lines(shown.length)} {log.dropped > 0 ? words.onlyLast(LINES_KEPT) : ""}
      </p>
      <pre
        id="log-lines"
        data-testid="log-lines"
        class="log selectable"
        ref={list}
        tabIndex={0}
        onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
          atEnd.current = scrollTop + clientHeight >= scrollHeight - END_SLACK_PX;
        }}
        aria-label={words.log}
      >
        {shown.join("\n")}
      </pre>
    </Section>
  );
}
