/**
 * The merge rule of the control socket's events (contract websocket.md 1.4): an event holds the keys that
 * changed, each replaces the previous value; null is a value; where stated, members merge one or two levels
 * deeper. Pure, and complete for all events of the contract so that later views need not touch it.
 */

type Fields = Readonly<Record<string, unknown>>;

interface Rule {
  /** The keys that together only a full state has; partial states before the first full one are of no use. */
  readonly full?: readonly string[];
  /** Whether a full state replaces everything, deep members included, instead of being merged. */
  readonly fullReplaces?: boolean;
  /** Members that merge as well, and how many levels down. */
  readonly deep?: Readonly<Record<string, number>>;
}

const RULES: Readonly<Record<string, Rule>> = {
  atx: { full: ["enabled", "busy", "acts", "leds"] },
  gpio: { full: ["model", "state"], fullReplaces: true, deep: { state: 2 } },
  hid: { full: ["enabled", "online", "keyboard", "mouse"], deep: { keyboard: 1, mouse: 1 } },
  msd: { full: ["enabled", "online", "storage", "drive"], fullReplaces: true, deep: { storage: 1 } },
  streamer: { full: ["features", "streamer"] },
  switch: { full: ["model"], fullReplaces: true },
};

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Merge `change` into `before`; `depth` tells for each key how many levels of its value merge as well. */
function merge(before: Fields, change: Fields, depth: (key: string) => number): Fields {
  const merged: Record<string, unknown> = { ...before };
  for (const [key, value] of Object.entries(change)) {
    const old = before[key];
    const levels = depth(key);
    merged[key] =
      levels > 0 && isFields(old) && isFields(value) ? merge(old, value, () => levels - 1) : value;
  }
  return merged;
}

/**
 * The state after `event` of the kind `type`; `before` is null if nothing is known yet. Returns null as long
 * as no full state has arrived.
 */
export function mergeEvent(type: string, before: Fields | null, event: Fields): Fields | null {
  const rule = RULES[type] ?? {};
  const full = (rule.full ?? []).every((key) => key in event);
  if (before === null) {
    return full ? event : null;
  }
  if (full && rule.fullReplaces === true) {
    return event;
  }
  return merge(before, event, (key) => rule.deep?.[key] ?? 0);
}
