/** Why there is no picture, in the order in which people should look for the cause. Pure. */

import type { LinkStatus } from "../net/control";
import type { AtxState } from "../state/types/atx";
import type { StreamerRun } from "../state/types/streamer";

export type NoPicture =
  | { readonly why: "connecting" }
  | { readonly why: "reconnecting"; readonly retryAtMs: number }
  | { readonly why: "stopped" }
  | { readonly why: "target_off" }
  | { readonly why: "no_signal" }
  | { readonly why: "loading" };

/** The reason, or null if the picture is there. `loaded` tells whether the stream has delivered one. */
export function whyNoPicture(
  link: LinkStatus,
  streamer: StreamerRun | null,
  atx: AtxState | null,
  loaded: boolean,
): NoPicture | null {
  if (link.phase === "waiting") {
    return { why: "reconnecting", retryAtMs: link.retryAtMs };
  }
  if (link.phase === "connecting" || streamer === null) {
    return { why: "connecting" };
  }
  if (streamer.streamer === null) {
    return { why: "stopped" };
  }
  if (!streamer.streamer.source.online) {
    return { why: atx?.enabled === true && !atx.leds.power ? "target_off" : "no_signal" };
  }
  return loaded ? null : { why: "loading" };
}
