/** The macros of this browser: kept, recorded, played, whichever panel is open. */

import { effect, type ReadonlySignal, signal } from "@preact/signals";
import type { Session } from "../session";
import { preference } from "../state/preferences";
import { formatMacros, type Macro, MacroError, parseMacros } from "./macro";
import { type End, pageClock, Player, Recorder } from "./player";

const kept = preference<string>("macros", "", (value) => {
  if (typeof value !== "string") {
    return undefined;
  }
  try {
    parseMacros(value);
    return value;
  } catch {
    return undefined;
  }
});

export class Macros {
  readonly player: Player;
  readonly #session: Session;
  readonly #list = signal<readonly Macro[]>(parseMacros(kept.peek()));
  readonly #recorder = signal<Recorder | null>(null);

  constructor(session: Session) {
    this.#session = session;
    this.player = new Player(session.hid, pageClock, () => session.control.online);
    effect(() => {
      this.#list.value = parseMacros(kept.value);
    });
    effect(() => this.#tell());
  }

  get list(): ReadonlySignal<readonly Macro[]> {
    return this.#list;
  }

  get recording(): boolean {
    return this.#recorder.value !== null;
  }

  /** All of them as a file. */
  get text(): string {
    return kept.value;
  }

  /** Take a file's macros in addition; one of the same name is replaced. Throws `MacroError`. */
  take(text: string): number {
    const taken = parseMacros(text);
    const names = new Set(taken.map(({ name }) => name));
    this.#keep([...this.#list.peek().filter(({ name }) => !names.has(name)), ...taken]);
    return taken.length;
  }

  /** Replace one by what its text says, its name included. Throws `MacroError`. */
  edit(name: string, text: string): void {
    const taken = parseMacros(text);
    const others = this.#list.peek().filter((macro) => macro.name !== name);
    const clash = taken.find((macro) => others.some((other) => other.name === macro.name));
    if (clash !== undefined) {
      throw new MacroError(1, "same_name", clash.name);
    }
    this.#keep(this.#list.peek().flatMap((macro) => (macro.name === name ? taken : [macro])));
  }

  remove(name: string): void {
    this.#keep(this.#list.peek().filter((macro) => macro.name !== name));
  }

  record(): void {
    this.#recorder.value = new Recorder(this.#session.hid, pageClock);
  }

  /** Keep what was recorded under a name of its own; false if nothing was. */
  finish(wanted: string): boolean {
    const steps = this.#recorder.peek()?.finish() ?? [];
    this.#recorder.value = null;
    if (steps.length === 0) {
      return false;
    }
    const names = new Set(this.#list.peek().map(({ name }) => name));
    let name = wanted;
    for (let number = 2; names.has(name); number++) {
      name = `${wanted} ${number}`;
    }
    this.#keep([...this.#list.peek(), { name, steps }]);
    return true;
  }

  async play(macro: Macro, rounds: number, speed: number): Promise<End> {
    const end = await this.player.play(macro, rounds, speed);
    if (end === "disconnected") {
      this.#session.notify(this.#session.words.macros.broken(macro.name));
    }
    return end;
  }

  #keep(macros: readonly Macro[]): void {
    kept.value = formatMacros(macros);
  }

  #tell(): void {
    const words = this.#session.words.macros;
    const replay = this.player.replay.value;
    const { activities } = this.#session;
    const base = { id: "macro", panel: "keyboard" };
    if (replay !== null) {
      const share = replay.count === 0 ? null : replay.done / replay.count;
      activities.show({ ...base, label: words.playing(replay.name), share, keepsPage: true });
    } else if (this.#recorder.value !== null) {
      activities.show({ ...base, label: words.recordingNow, share: null, keepsPage: false });
    } else {
      activities.end("macro");
    }
  }
}

export function makeMacros(session: Session): Macros {
  return new Macros(session);
}
