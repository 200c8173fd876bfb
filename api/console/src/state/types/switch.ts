/** The event `switch` (contract http.md 4.7). */

export type SwitchState = Readonly<Record<string, unknown>>;
