/** The audit trail as it is shown: its last records, read from lines of JSON (docs/security.md). Pure. */

export interface TrailRecord {
  readonly n: number;
  readonly at: string;
  readonly what: string;
  readonly who: string;
  readonly from: string;
  /** Everything else that the record says, for people. */
  readonly detail: string;
}

/** The rest of the chain is for the verifier. */
const NOT_SHOWN: ReadonlySet<string> = new Set(["n", "at", "what", "who", "from", "how", "prev", "hash"]);

function textOf(value: unknown): string {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return Object.entries(value)
      .map(([name, inner]) => `${name}=${textOf(inner)}`)
      .join(" ");
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** Read a line; null if it is no record. */
export function trailRecord(line: string): TrailRecord | null {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
  const { n, at, what } = record;
  if (typeof n !== "number" || typeof at !== "string" || typeof what !== "string") {
    return null;
  }
  const word = (name: string): string => (typeof record[name] === "string" ? record[name] : "");
  const detail = Object.entries(record)
    .filter(([name]) => !NOT_SHOWN.has(name))
    .map(([name, value]) => (name === "with" ? textOf(value) : `${name}=${textOf(value)}`))
    .join(" ");
  return { n, at, what, who: word("who"), from: word("from"), detail };
}
