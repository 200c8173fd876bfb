/** The macros and shortcuts of this browser: kept, recorded, played, whichever panel is open. */

import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { keyName } from "../hid/keys";
import type { Session } from "../session";
import { type Parse, preference } from "../state/preferences";
import { formatBook, type Macro, MacroError, parseBook, parseSteps, type Shortcut } from "./macro";
import { type End, pageClock, Player, Recorder } from "./player";

const kept = preference<string>("macros", "", (value) => {
  if (typeof value !== "string") {
    return undefined;
  }
  try {
    parseBook(value);
    return value;
  } catch {
    return undefined;
  }
});

const asShortcuts: Parse<readonly Shortcut[]> = (value) =>
  Array.isArray(value) &&
  value.every(
    (item: Partial<Shortcut> | null) =>
      typeof item?.name === "string" &&
      Array.isArray(item.keys) &&
      item.keys.every((key: unknown) => typeof key === "string" && keyName(key) === key),
  )
    ? (value as Shortcut[])
    : undefined;

const keptShortcuts = preference<readonly Shortcut[]>("shortcuts", [], asShortcuts);

/** The list with `items` in addition; one of the same name is replaced where it stands. */
function merged<T extends { readonly name: string }>(list: readonly T[], items: readonly T[]): T[] {
  const replaced = list.map((old) => items.find(({ name }) => name === old.name) ?? old);
  return [...replaced, ...items.filter(({ name }) => !list.some((old) => old.name === name))];
}

export class Macros {
  readonly player: Player;
  readonly #session: Session;
  readonly #list = signal<readonly Macro[]>([]);
  readonly #recorder = signal<Recorder | null>(null);

  constructor(session: Session) {
    this.#session = session;
    this.player = new Player(session.hid, pageClock, () => session.control.online);
    effect(() => {
      this.#list.value = parseBook(kept.value).macros;
    });
    effect(() => this.#tell());
  }

  get list(): ReadonlySignal<readonly Macro[]> {
    return this.#list;
  }

  get recording(): boolean {
    return this.#recorder.value !== null;
  }

  get shortcuts(): readonly Shortcut[] {
    return keptShortcuts.value;
  }

  /** All macros and shortcuts as a file. */
  get text(): string {
    return formatBook({ macros: this.#list.value, shortcuts: keptShortcuts.value });
  }

  /** Take what a file holds in addition; what has the same name is replaced. Throws `MacroError`. */
  take(text: string): { macros: number; shortcuts: number } {
    const { macros, shortcuts } = parseBook(text);
    this.#keep(merged(this.#list.peek(), macros));
    keptShortcuts.value = merged(keptShortcuts.peek(), shortcuts);
    return { macros: macros.length, shortcuts: shortcuts.length };
  }

  /** Give a macro another name and other steps. Throws `MacroError`, and then changes nothing. */
  edit(name: string, renamed: string, steps: string): void {
    const list = this.#list.peek();
    if (renamed !== name && list.some((other) => other.name === renamed)) {
      throw new MacroError(0, 0, "same_name", renamed);
    }
    const edited = { name: renamed, steps: parseSteps(steps) };
    this.#keep(list.map((macro) => (macro.name === name ? edited : macro)));
  }

  /** Keep a shortcut, in the place of the one that was called `replaced`. */
  keepShortcut(shortcut: Shortcut, replaced: string | null): void {
    const list = keptShortcuts.peek().filter(({ name }) => name === replaced || name !== shortcut.name);
    keptShortcuts.value = list.some(({ name }) => name === replaced)
      ? list.map((other) => (other.name === replaced ? shortcut : other))
      : [...list, shortcut];
  }

  removeShortcut(name: string): void {
    keptShortcuts.value = keptShortcuts.peek().filter((other) => other.name !== name);
  }

  remove(name: string): void {
    this.#keep(this.#list.peek().filter((macro) => macro.name !== name));
  }

  record(): void {
    this.#recorder.value = new Recorder(this.#session.hid, pageClock);
  }

  /** Keep what was recorded under a name of its own, which is returned; null if nothing was recorded. */
  finish(wanted: string): string | null {
    const steps = this.#recorder.peek()?.finish() ?? [];
    this.#recorder.value = null;
    if (steps.length === 0) {
      return null;
    }
    const names = new Set(this.#list.peek().map(({ name }) => name));
    let name = wanted;
    for (let number = 2; names.has(name); number++) {
      name = `${wanted} ${number}`;
    }
    this.#keep([...this.#list.peek(), { name, steps }]);
    return name;
  }

  async play(macro: Macro, rounds: number, speed: number): Promise<End> {
    const end = await this.player.play(macro, rounds, speed);
    if (end === "disconnected") {
      this.#session.notify(this.#session.words.macros.broken(macro.name));
    }
    return end;
  }

  #keep(macros: readonly Macro[]): void {
    kept.value = formatBook({ macros, shortcuts: [] });
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
