/** The events `info` and `clients` (contract http.md 4.1, websocket.md 1.4). */

export interface ClientsState {
  count: number;
}

interface Flag {
  now: boolean;
  past: boolean;
}

export interface Health {
  temp: { cpu: number | null };
  cpu: { percent: number | null };
  mem: { percent: number | null; total: number | null; available: number | null };
  throttling: {
    parsed_flags: { undervoltage: Flag; freq_capped: Flag; throttled: Flag };
    ignore_past: boolean;
  } | null;
}

export interface InfoState {
  auth?: { enabled: boolean };
  meta?: { server?: { host?: unknown } } | null;
  node?: { host?: unknown } | null;
  health?: Health;
  fan?: {
    monitored: boolean;
    state: { fan: { speed: number; ok: boolean }; hall: { available: boolean; rpm: number } } | null;
  };
  system?: {
    kvmd: { version: string };
    streamer: { app: string; version: string };
    kernel: { system: string; release: string; machine: string };
    platform?: { type: string; base: string | null; serial: string | null };
    farhand?: { version?: string };
  };
  uptime?: { total: number };
}
