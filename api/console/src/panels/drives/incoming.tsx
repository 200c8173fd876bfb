/** How images come in: files from here, and addresses from elsewhere. */

import { useRef, useState } from "preact/hooks";
import type { MsdState } from "../../state/types/msd";
import { text } from "../../text";
import { bytes, duration } from "../../text/units";
import { useSession } from "../../ui/context";
import { Button, Progress, Row, Section, Toggle } from "../../ui/kit";
import { TextField } from "../../ui/text_field";
import { makeJobs } from "./jobs";
import { makeUploads, type Transfer } from "./uploads";

function TransferItem({ transfer }: { transfer: Transfer }) {
  const uploads = useSession().part(makeUploads);
  const words = text.value.drives;
  const { id, name, size, sent, phase, speed, left, trouble } = transfer;
  const numbers = [words.of(bytes(sent, words.decimal), bytes(size, words.decimal)), words.phase[phase]];
  if (speed !== null) {
    numbers.push(words.perSecond(bytes(speed, words.decimal)));
  }
  if (left !== null) {
    numbers.push(words.left(duration(left)));
  }
  return (
    <li data-testid={`transfer-${name}`} data-phase={phase}>
      <Progress label={name} share={size === 0 ? 1 : sent / size} detail={numbers.join(" · ")} />
      {trouble !== "" && (
        <p class="complaint" role="alert">
          {phase === "failed" ? trouble : words.triesAgain(trouble)}
        </p>
      )}
      <Row>
        {phase === "sending" && <Button onPress={() => uploads.pause(id)}>{words.pause}</Button>}
        {(phase === "paused" || phase === "failed") && (
          <Button onPress={() => uploads.resume(id)}>{words.goOn}</Button>
        )}
        <Button danger={phase !== "done"} onPress={() => void uploads.cancel(id)}>
          {phase === "done" ? words.clear : words.cancelUpload}
        </Button>
      </Row>
    </li>
  );
}

export function Incoming({ msd }: { msd: MsdState }) {
  const session = useSession();
  const words = text.value.drives;
  const uploads = session.part(makeUploads);
  const chooser = useRef<HTMLInputElement>(null);
  const add = (files: readonly File[]): void => {
    const need = files.reduce((sum, file) => sum + file.size, 0);
    const free = msd.storage?.parts[""]?.free ?? 0;
    if (need > free) {
      session.notify(words.noRoom(bytes(need, words.decimal), bytes(free, words.decimal)));
      return;
    }
    uploads.add(files, "");
  };
  const [over, setOver] = useState(false);
  return (
    <Section title={words.upload} id="upload">
      <div
        class="drop"
        data-testid="drop"
        data-over={over}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault();
          setOver(false);
          add([...(event.dataTransfer?.files ?? [])]);
        }}
      >
        <p>{words.dropHere}</p>
        <Button id="upload-choose" onPress={() => chooser.current?.click()}>
          {words.choose}
        </Button>
        <input
          type="file"
          multiple
          hidden
          id="upload-files"
          data-testid="upload-files"
          ref={chooser}
          onChange={(event) => {
            add([...(event.currentTarget.files ?? [])]);
            event.currentTarget.value = "";
          }}
        />
      </div>
      {msd.drive?.connected === true && <p class="complaint">{words.ejectFirst}</p>}
      <ul class="plain-list">
        {uploads.list.value.map((transfer) => (
          <TransferItem key={transfer.id} transfer={transfer} />
        ))}
      </ul>
    </Section>
  );
}

export function Fetch() {
  const session = useSession();
  const words = text.value.drives;
  const jobs = session.part(makeJobs);
  const [url, setUrl] = useState("");
  const [sha256, setSha256] = useState("");
  const [insecure, setInsecure] = useState(false);
  const fetchIt = async (): Promise<void> => {
    const query = { url: url.trim(), insecure, ...(sha256.trim() === "" ? {} : { sha256: sha256.trim() }) };
    if (await jobs.run(words.fetching(url.trim().split("/").at(-1) ?? ""), "api/msd/write_remote", query)) {
      setUrl("");
      setSha256("");
    }
  };
  return (
    <Section title={words.fetch} id="fetch">
      <form
        class="section"
        onSubmit={(event) => {
          event.preventDefault();
          void fetchIt();
        }}
      >
        <TextField
          id="fetch-url"
          label={words.address}
          type="url"
          placeholder="https://"
          required
          value={url}
          onText={setUrl}
        />
        <TextField
          id="fetch-sha256"
          label={words.digest}
          hint={words.digestHint}
          value={sha256}
          onText={setSha256}
        />
        <Toggle id="fetch-insecure" label={words.insecure} on={insecure} onChange={setInsecure} />
        <Row>
          <button type="submit" id="fetch-start" data-testid="fetch-start" class="tool primary">
            {words.fetchDo}
          </button>
        </Row>
      </form>
      <ul class="plain-list">
        {[...jobs.running.value].map(([what, control]) => (
          <li key={what}>
            <Row>
              <span>{what}</span>
              <Button onPress={() => control.abort()}>{words.stop}</Button>
            </Row>
          </li>
        ))}
      </ul>
    </Section>
  );
}
