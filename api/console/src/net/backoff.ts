/** How long to wait before trying again. Pure. */

const FIRST_MS = 1_000;

/** People watch the page while it waits: longer than this and they would rather press "Retry" themselves. */
const LONGEST_MS = 15_000;

/**
 * The delay before attempt number `attempt` (0 is the first retry). It doubles, and its second half is random
 * (`random` in 0..1) so that many consoles do not return to a restarted appliance at the same moment.
 */
export function retryDelayMs(attempt: number, random: number): number {
  const full = Math.min(LONGEST_MS, FIRST_MS * 2 ** attempt);
  return Math.round(full / 2 + (full / 2) * random);
}
