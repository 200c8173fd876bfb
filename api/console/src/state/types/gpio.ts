/** The event `gpio` (contract http.md 4.4). */

export interface OutputScheme {
  /** Whether it can be switched, and so has a level that stays. */
  switch: boolean;
  /** `delay` is 0 if it cannot be pulsed. Seconds. */
  pulse: { delay: number; min_delay: number; max_delay: number };
  hw: { driver: string; pin: string };
}

export interface InputState {
  online: boolean;
  state: boolean;
}

export interface OutputState extends InputState {
  busy: boolean;
}

export type GpioItem =
  | { type: "label"; text: string }
  | { type: "input"; channel: string; color: string }
  | { type: "output"; channel: string; confirm: boolean; hide: boolean; text: string };

export interface GpioState {
  model: {
    scheme: {
      inputs: Record<string, { hw: { driver: string; pin: string } }>;
      outputs: Record<string, OutputScheme>;
    };
    view: {
      header: { title: GpioItem[] };
      /** A row that is null is a separator. */
      table: (GpioItem[] | null)[];
    };
  };
  state: { inputs: Record<string, InputState>; outputs: Record<string, OutputState> };
}
