/** The event `msd` (contract http.md 4.6). */

export type MsdState = Readonly<Record<string, unknown>>;
