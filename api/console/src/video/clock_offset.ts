/**
 * How far the appliance's clock is from the page's, from questions and answers over the socket. Pure.
 *
 * As NTP does it (RFC 5905, section 8): a question is sent at t0 and answered at t3 by the page's clock; it
 * came at t1 and its answer left at t2 by the appliance's. Half of the round trip is the largest possible
 * error, so the exchange with the shortest one is believed; old ones are forgotten, because clocks drift.
 */

/** A question a second: half a minute, in which clocks drift apart by less than two milliseconds. */
const WINDOW = 30;

interface Sample {
  readonly offset: number;
  readonly roundTrip: number;
}

export class ClockOffset {
  #samples: Sample[] = [];

  /** Take one exchange; all times in seconds. */
  add(t0: number, t1: number, t2: number, t3: number): void {
    const roundTrip = t3 - t0 - (t2 - t1);
    // A clock that was set meanwhile, or an answer to nothing.
    if (!Number.isFinite(roundTrip) || roundTrip < 0) {
      return;
    }
    this.#samples = [...this.#samples.slice(1 - WINDOW), { offset: (t1 - t0 + (t2 - t3)) / 2, roundTrip }];
  }

  /** What to take away from a time of the appliance to get the page's; null while nothing is known. */
  get offset(): number | null {
    return this.#best?.offset ?? null;
  }

  /** By how many seconds `offset` may be wrong. */
  get uncertainty(): number | null {
    return this.#best === undefined ? null : this.#best.roundTrip / 2;
  }

  get #best(): Sample | undefined {
    return this.#samples.reduce<Sample | undefined>(
      (best, sample) => (best === undefined || sample.roundTrip < best.roundTrip ? sample : best),
      undefined,
    );
  }
}
