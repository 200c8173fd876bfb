/** The last lines of a log that comes in pieces, and those of them that somebody wants to see. Pure. */

/** More than anybody scrolls through; the file to download has all of them. */
export const LINES_KEPT = 5_000;

export class LogLines {
  readonly #lines: string[] = [];
  #rest = "";
  /** Lines that had to go. */
  #dropped = 0;

  get lines(): readonly string[] {
    return this.#lines;
  }

  get dropped(): number {
    return this.#dropped;
  }

  push(piece: string): void {
    const parts = (this.#rest + piece).split(/\r?\n/);
    this.#rest = parts.pop() ?? "";
    this.#lines.push(...parts);
    const surplus = this.#lines.length - LINES_KEPT;
    if (surplus > 0) {
      this.#lines.splice(0, surplus);
      this.#dropped += surplus;
    }
  }

  clear(): void {
    this.#lines.length = 0;
    this.#rest = "";
    this.#dropped = 0;
  }
}

/** All words have to occur, in any case of letters. */
export function matching(lines: readonly string[], wanted: string): readonly string[] {
  const words = wanted.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length === 0
    ? lines
    : lines.filter((line) => {
        const lower = line.toLowerCase();
        return words.every((word) => lower.includes(word));
      });
}
