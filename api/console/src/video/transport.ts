/** By which way the picture comes: the best one that appliance, network and browser allow. Pure. */

import type { Offer } from "./media_wire";

export type Transport = "h264" | "jpeg" | "mjpeg";

/** Why it is not a better one. */
export type Hindrance =
  | "chosen"
  | "no_webcodecs"
  | "h264_not_offered"
  | "h264_not_supported"
  | "h264_failed"
  | "jpeg_not_offered"
  | "socket_failed";

export interface Choice {
  readonly transport: Transport;
  /** null for the best one there is. */
  readonly hindrance: Hindrance | null;
}

/** Tries of the socket in a row that brought no frame, after which the picture comes without it. */
export const SOCKET_FAILURES_LIMIT = 3;

/** Errors of the H.264 decoder in a row, after which it is left alone. */
export const DECODER_FAILURES_LIMIT = 3;

export interface Abilities {
  /** Whether the browser has WebCodecs; only pages from HTTPS or the own machine do. */
  readonly webCodecs: boolean;
  /** Whether it decodes the profile that is offered; null if nobody asked yet. */
  readonly h264: boolean | null;
  /** Errors of its decoder in a row. */
  readonly h264Failures: number;
}

/** What somebody would rather have than the best one. */
export type Wish = "auto" | Transport;

export function chooseTransport(offer: Offer, able: Abilities, wish: Wish = "auto"): Choice {
  if (wish === "mjpeg" || (wish === "jpeg" && "jpeg" in offer)) {
    return { transport: wish, hindrance: "chosen" };
  }
  const hindrance = whyNotH264(offer, able);
  if (hindrance === null) {
    return { transport: "h264", hindrance };
  }
  return "jpeg" in offer
    ? { transport: "jpeg", hindrance }
    : { transport: "mjpeg", hindrance: "jpeg_not_offered" };
}

function whyNotH264(offer: Offer, able: Abilities): Hindrance | null {
  if (!("h264" in offer)) {
    return "h264_not_offered";
  }
  if (!able.webCodecs) {
    return "no_webcodecs";
  }
  if (able.h264 === false) {
    return "h264_not_supported";
  }
  return able.h264Failures >= DECODER_FAILURES_LIMIT ? "h264_failed" : null;
}

/** The codec of an offer by its name in WebCodecs (RFC 6381). */
export function codecOf(offer: Offer): string | null {
  const level = offer["h264"]?.["profile_level_id"];
  return typeof level === "string" ? `avc1.${level}` : null;
}
