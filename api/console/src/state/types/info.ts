/** The events `info` and `clients` (contract http.md 4.1, websocket.md 1.4). */

export interface ClientsState {
  count: number;
}

export interface InfoState {
  meta?: { server?: { host?: unknown } } | null;
  node?: { host?: unknown } | null;
}
