/** The monitor that the target sees (docs/video.md): what it says of itself, another one, the configured one. */

import { useEffect, useState } from "preact/hooks";
import { hexOfFile } from "../../edid/edid_file";
import { call } from "../../net/api";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Empty, Loading, Row, Section } from "../../ui/kit";
import { TextArea } from "../../ui/text_field";

interface Edid {
  data: string;
  source: "config" | "api";
  applied: boolean;
  parsed: { monitor_name: string | null } | null;
  preferred: { width: number; height: number } | null;
}

const PATH = "api/streamer/edid";

export function EdidSection() {
  const session = useSession();
  const words = text.value.video;
  const [edid, setEdid] = useState<Edid | null | undefined>(undefined);
  const [data, setData] = useState("");
  const [busy, setBusy] = useState(false);
  const ask = async (method: string, query: Record<string, string>): Promise<void> => {
    setBusy(true);
    const answer = await session.attempt(words.edid, () =>
      call<{ edid: Edid | null }>(method, session.base, PATH, query),
    );
    setBusy(false);
    if (answer !== null) {
      setEdid(answer.edid);
      setData(answer.edid?.data ?? "");
    }
  };
  useEffect(() => {
    void ask("GET", {});
  }, []);
  if (edid === undefined) {
    return <Loading />;
  }
  if (edid === null) {
    return (
      <Section title={words.edid}>
        <Empty>{words.edidNone}</Empty>
      </Section>
    );
  }
  const { width, height } = edid.preferred ?? { width: 0, height: 0 };
  return (
    <Section title={words.edid} id="edid">
      <p id="edid-told" role="status">
        {words.edidTold(edid.parsed?.monitor_name ?? words.edidUnnamed, width, height)}
        {edid.applied ? "" : ` ${words.edidLater}`}
      </p>
      <TextArea
        id="edid-data"
        label={words.edidData}
        hint={words.edidHint}
        rows={4}

        value={data}
        onText={setData}
      />
      <Row>
        <label class="tool">
          {words.edidFile}
          <input
            class="unseen"
            type="file"
            onChange={(event) => {
              const [file] = event.currentTarget.files ?? [];
              if (file !== undefined) {
                void file.arrayBuffer().then((buffer) => setData(hexOfFile(new Uint8Array(buffer))));
              }
              event.currentTarget.value = "";
            }}
          />
        </label>
        <Button
          id="edid-set"
          primary
          off={busy || data.trim() === ""}
          onPress={() => void ask("POST", { data: data.trim() })}
        >
          {words.edidSet}
        </Button>
        <Button
          id="edid-default"
          off={busy || edid.source === "config"}
          onPress={() => void ask("POST", { data: "" })}
        >
          {words.edidDefault}
        </Button>
      </Row>
    </Section>
  );
}
