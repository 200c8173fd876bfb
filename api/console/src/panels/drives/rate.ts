/** How fast something goes on, smoothed, and how long it still takes. Pure. */

/** Long enough to be calm, short enough to show a change of the network. */
const WINDOW_S = 5;

export class Rate {
  readonly #marks: { at: number; done: number }[] = [];

  /** `done` units by the time `at`, in seconds. */
  mark(at: number, done: number): void {
    this.#marks.push({ at, done });
    while (this.#marks.length > 2 && at - (this.#marks[1]?.at ?? at) >= WINDOW_S) {
      this.#marks.shift();
    }
  }

  /** Units per second; null while it is not known. */
  get perSecond(): number | null {
    const first = this.#marks[0];
    const last = this.#marks.at(-1);
    if (first === undefined || last === undefined || last.at <= first.at) {
      return null;
    }
    return (last.done - first.done) / (last.at - first.at);
  }

  /** Seconds until `whole` is done; null while it is not known. */
  left(whole: number): number | null {
    const last = this.#marks.at(-1);
    const perSecond = this.perSecond;
    return last === undefined || perSecond === null || perSecond <= 0
      ? null
      : (whole - last.done) / perSecond;
  }
}
