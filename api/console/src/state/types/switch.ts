/** The event `switch` (contract http.md 4.7). Arrays are indexed by virtual port, those of links by unit. */

export interface SwitchPort {
  unit: number;
  channel: number;
  /** "" if nobody gave it one. */
  name: string;
  /** "1" to "4" with a single unit, "2.3" with several. */
  id: string;
  atx: { click_delays: Record<AtxButton, number> };
  video: { dummy: boolean };
}

export type AtxButton = "power" | "power_long" | "reset";

export interface SwitchEdid {
  name: string;
  /** Hexadecimal digits. */
  data: string;
  parsed: {
    mfc_id: string;
    product_id: number;
    serial: number;
    monitor_name: string | null;
    monitor_serial: string | null;
    audio: boolean;
  } | null;
}

export interface SwitchColor {
  red: number;
  green: number;
  blue: number;
  brightness: number;
  blink_ms: number;
}

export const COLOUR_ROLES = ["inactive", "active", "flashing", "beacon", "bootloader"] as const;

export type ColourRole = (typeof COLOUR_ROLES)[number];

export interface SwitchState {
  model: {
    firmware: { version: number };
    units: { firmware: { version: number; devbuild: boolean } }[];
    ports: SwitchPort[];
    limits: { atx: { click_delays: Record<AtxButton, { default: number; min: number; max: number }> } };
  };
  summary: { active_port: number; active_id: string; synced: boolean };
  /** `used` has an identifier for each port. */
  edids: { all: Record<string, SwitchEdid>; used: string[] };
  colors: Record<ColourRole, SwitchColor>;
  video: { links: boolean[] };
  usb: { links: boolean[] };
  beacons: { uplinks: boolean[]; downlinks: boolean[]; ports: boolean[] };
  atx: { busy: boolean[]; leds: { power: boolean[]; hdd: boolean[] } };
}
