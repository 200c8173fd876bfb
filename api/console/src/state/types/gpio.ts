/** The event `gpio` (contract http.md 4.4). */

export type GpioState = Readonly<Record<string, unknown>>;
