/** The events `hid` and `hid_keymaps` (contract http.md 4.2). */

export interface Outputs {
  available: string[];
  active: string;
}

export interface HidState {
  enabled: boolean;
  online: boolean;
  busy: boolean;
  connected: boolean | null;
  keyboard: { online: boolean; leds: { caps: boolean; scroll: boolean; num: boolean }; outputs: Outputs };
  mouse: { online: boolean; absolute: boolean; outputs: Outputs };
  /** `interval` in seconds. */
  jiggler?: { enabled: boolean; active: boolean; interval: number };
}

export interface HidKeymapsState {
  keymaps: { default: string; available: string[] };
}
