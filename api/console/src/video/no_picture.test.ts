import { expect, it } from "vitest";
import type { LinkStatus } from "../net/control";
import type { AtxState } from "../state/types/atx";
import type { StreamerRun } from "../state/types/streamer";
import { whyNoPicture } from "./no_picture";

const ONLINE: LinkStatus = { phase: "online" };

function streamer(online: boolean): StreamerRun {
  const source = { online, resolution: { width: 1280, height: 720 }, captured_fps: 30, desired_fps: 30 };
  return { streamer: { source, stream: { clients: 0, clients_stat: {} } } };
}

function atx(power: boolean, enabled = true): AtxState {
  return { enabled, busy: false, acts: { power: false, reset: false }, leds: { power, hdd: false } };
}

it.each<[LinkStatus, StreamerRun | null, AtxState | null, boolean, string | undefined]>([
  [ONLINE, streamer(true), atx(true), true, undefined],
  [ONLINE, streamer(true), null, true, undefined],
  [ONLINE, streamer(true), atx(true), false, "loading"],
  [ONLINE, streamer(false), atx(true), true, "no_signal"],
  [ONLINE, streamer(false), atx(false), true, "target_off"],
  [ONLINE, streamer(false), atx(false, false), true, "no_signal"],
  [ONLINE, streamer(false), null, true, "no_signal"],
  [ONLINE, { streamer: null }, atx(false), true, "stopped"],
  [ONLINE, null, null, true, "connecting"],
  [{ phase: "connecting" }, streamer(true), atx(true), true, "connecting"],
  [{ phase: "waiting", retryAtMs: 1 }, null, null, false, "reconnecting"],
])("link %j, streamer %j, ATX %j, loaded %s: %s", (link, video, power, loaded, expected) => {
  expect(whyNoPicture(link, video, power, loaded)?.why).toBe(expected);
});
