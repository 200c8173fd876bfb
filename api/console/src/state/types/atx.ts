/** The event `atx` (contract http.md 4.3). */

export interface AtxState {
  enabled: boolean;
  busy: boolean;
  acts: { power: boolean; reset: boolean };
  leds: { power: boolean; hdd: boolean };
}
