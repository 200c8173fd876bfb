/** The parts of the appliance's state that the console shows (contract http.md 4, websocket.md 1.4). */

export interface AtxState {
  enabled: boolean;
  busy: boolean;
  acts: { power: boolean; reset: boolean };
  leds: { power: boolean; hdd: boolean };
}

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
}

/** One consumer of the MJPEG stream; `key` is what it put into its address. */
export interface StreamClient {
  fps: number;
  key: string;
}

export interface RunningStreamer {
  source: {
    online: boolean;
    resolution: { width: number; height: number };
    captured_fps: number;
    desired_fps: number;
  };
  stream: { clients: number; clients_stat: Record<string, StreamClient> };
}

export interface StreamerState {
  /** null while it is stopped or unreachable. */
  streamer: RunningStreamer | null;
}

export interface ClientsState {
  count: number;
}

export interface InfoState {
  meta?: { server?: { host?: unknown } } | null;
  node?: { host?: unknown } | null;
}

/** What arrives under which event name. */
export interface States {
  atx: AtxState;
  hid: HidState;
  streamer: StreamerState;
  clients: ClientsState;
  info: InfoState;
}
