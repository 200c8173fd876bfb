/** The event `update` and the result of `GET /api/update` (docs/updates.md); only for administrators. */

export type SlotCondition = "confirmed" | "probation" | "waiting" | "standby" | "given_up" | "empty";

export interface Slot {
  name: string;
  condition: SlotCondition;
  running: boolean;
  version: string | null;
  installed_at: string | null;
}

export interface Installation {
  phase: "receiving" | "installing" | "done" | "failed";
  source: string;
  size: number;
  received: number;
  percent: number;
  message: string;
  error: string | null;
}

export interface UpdateState {
  supported: boolean;
  reason: string;
  version: string;
  board: string | null;
  restart_needed: boolean;
  slots: Slot[];
  given_up: { slot: string; version: string; reason: string; noticed: string } | null;
  installation: Installation | null;
}
