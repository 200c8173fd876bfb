/**
 * Types a text on the target, a piece at a time, so that it can be stopped and everybody knows how far it is
 * (docs/typing.md). A piece is typed to its end by the appliance; whatever happens, no key stays down there.
 */

import { type ReadonlySignal, signal } from "@preact/signals";
import { postText } from "../../net/api";
import type { Session } from "../../session";
import { actionFailure } from "../../text/failures";

/** At most, without pauses. */
const LONGEST_PIECE_CHARS = 32;

/** "Stop" waits for the end of a piece, so that what was typed is known to the character. */
const PIECE_MS = 300;

/** Shift, the key down, the key up. */
const EVENTS_PER_CHAR = 3;

function pieceChars(delayMs: number): number {
  return delayMs === 0
    ? LONGEST_PIECE_CHARS
    : Math.max(1, Math.min(LONGEST_PIECE_CHARS, Math.floor(PIECE_MS / (delayMs * EVENTS_PER_CHAR))));
}

export interface TypingState {
  readonly text: string;
  readonly keymap: string;
  readonly delayMs: number;
  /** Characters typed so far, as code points. */
  readonly done: number;
  readonly count: number;
  readonly running: boolean;
  /** Why it ended early; "" if it did not. */
  readonly reason: string;
}

/** Cut into pieces of whole characters, and no accent away from its letter. */
export function piecesOf(text: string, most: number): string[] {
  const pieces: string[] = [];
  let piece: string[] = [];
  for (const character of text) {
    if (piece.length >= most && !/\p{M}/u.test(character)) {
      pieces.push(piece.join(""));
      piece = [];
    }
    piece.push(character);
  }
  return piece.length === 0 ? pieces : [...pieces, piece.join("")];
}

export class Typing {
  readonly #session: Session;
  readonly #state = signal<TypingState | null>(null);
  #stopping = false;

  constructor(session: Session) {
    this.#session = session;
  }

  /** The last text; null before the first one. */
  get state(): ReadonlySignal<TypingState | null> {
    return this.#state;
  }

  async start(text: string, keymap: string, delayMs: number): Promise<void> {
    this.#state.value = {
      text,
      keymap,
      delayMs,
      done: 0,
      count: [...text].length,
      running: true,
      reason: "",
    };
    await this.#run();
  }

  /** Go on where it ended. */
  async goOn(): Promise<void> {
    this.#change({ running: true, reason: "" });
    await this.#run();
  }

  stop(): void {
    this.#stopping = true;
  }

  forget(): void {
    if (this.#state.peek()?.running !== true) {
      this.#state.value = null;
    }
  }

  #change(change: Partial<TypingState>): void {
    const state = this.#state.peek();
    if (state === null) {
      return;
    }
    const now = { ...state, ...change };
    this.#state.value = now;
    if (now.running) {
      this.#session.activities.show({
        id: "typing",
        label: this.#session.words.paste.typing,
        share: now.count === 0 ? null : now.done / now.count,
        panel: "text",
        keepsPage: true,
      });
    } else {
      this.#session.activities.end("typing");
    }
  }

  async #run(): Promise<void> {
    const begun = this.#state.peek();
    if (begun === null) {
      return;
    }
    this.#stopping = false;
    this.#change({});
    const words = this.#session.words;
    const rest = [...begun.text].slice(begun.done).join("");
    const query = { keymap: begun.keymap, delay: begun.delayMs / 1_000, limit: 0 };
    let done = begun.done;
    for (const piece of piecesOf(rest, pieceChars(begun.delayMs))) {
      if (this.#stopping) {
        this.#change({ running: false, reason: words.paste.stopped(done, begun.count) });
        return;
      }
      try {
        await postText(this.#session.base, "api/hid/print", query, piece);
      } catch (error) {
        const why = actionFailure(words, words.paste.title, error);
        this.#change({ running: false, reason: words.paste.failed(done, begun.count, why) });
        return;
      }
      done += [...piece].length;
      this.#change({ done });
    }
    this.#change({ running: false });
  }
}

export function makeTyping(session: Session): Typing {
  return new Typing(session);
}
