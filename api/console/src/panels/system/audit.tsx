/** The audit trail: who did what, when and from where. Read when the page is opened, and when somebody asks. */

import { useEffect, useState } from "preact/hooks";
import { getBlob } from "../../net/api";
import { endpoint } from "../../net/urls";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Empty, Loading, Row, Section } from "../../ui/kit";
import { stamp } from "../../ui/save";
import { TextField } from "../../ui/text_field";
import { matching } from "./log_lines";
import { type TrailRecord, trailRecord } from "./trail";

const PATH = "api/audit";
/** More than anybody reads; the file to download has all of them. */
const SHOWN = 500;

function Line({ record }: { record: TrailRecord }) {
  return (
    <li data-testid="audit-record">
      <strong>{record.what}</strong> {record.detail}
      <br />
      <small class="empty">
        {[
          new Date(record.at).toLocaleString(document.documentElement.lang),
          record.who,
          record.from,
          `#${record.n}`,
        ]
          .filter(Boolean)
          .join(" · ")}
      </small>
    </li>
  );
}

export default function AuditPage() {
  const session = useSession();
  const words = text.value.system;
  const [lines, setLines] = useState<readonly string[] | null>(null);
  const [wanted, setWanted] = useState("");
  const look = async (): Promise<void> => {
    const all = await session.attempt(words.audit, async () => (await getBlob(session.base, PATH)).text());
    if (all !== null) {
      setLines(all.split("\n").filter(Boolean));
    }
  };
  useEffect(() => void look(), [session]);
  const found = lines === null ? [] : matching(lines, wanted);
  // The newest first.
  const records = found
    .slice(-SHOWN)
    .reverse()
    .map(trailRecord)
    .filter((record) => record !== null);
  return (
    <Section title={words.audit}>
      <TextField
        id="audit-filter"
        label={words.auditFilter}
        type="search"
        value={wanted}
        onText={setWanted}
      />
      <Row>
        <Button id="audit-again" onPress={() => void look()}>
          {words.auditAgain}
        </Button>
        <a
          id="audit-download"
          class="tool"
          href={endpoint(session.base, PATH)}
          download={`audit-${stamp()}.jsonl`}
        >
          {words.downloadAll}
        </a>
      </Row>
      <p class="empty">{words.auditHint}</p>
      {lines === null && <Loading />}
      {lines !== null && records.length === 0 && <Empty>{words.auditNone}</Empty>}
      <ul class="plain-list selectable" id="audit-records">
        {records.map((record) => (
          <Line key={record.n} record={record} />
        ))}
      </ul>
      {found.length > SHOWN && <p class="empty">{words.onlyLast(SHOWN)}</p>}
    </Section>
  );
}
