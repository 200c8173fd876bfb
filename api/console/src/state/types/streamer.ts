/** The event `streamer` (contract http.md 4.5). */

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

export interface Limits {
  min: number;
  max: number;
}

export interface StreamerParams {
  desired_fps: number;
  quality?: number;
  resolution?: string;
  h264_bitrate?: number;
  h264_gop?: number;
}

export interface StreamerState {
  features: { quality: boolean; resolution: boolean; h264: boolean };
  limits: {
    desired_fps: Limits;
    h264_bitrate?: Limits;
    h264_gop?: Limits;
    available_resolutions?: string[];
  };
  params: StreamerParams;
  applied: StreamerParams;
  snapshot: { saved: { online: boolean; width: number; height: number } | null };
  /** null while it is stopped or unreachable. */
  streamer: RunningStreamer | null;
}

/** All that matters for whether there is a picture. */
export type StreamerRun = Pick<StreamerState, "streamer">;
