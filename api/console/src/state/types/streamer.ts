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

export interface StreamerState {
  /** null while it is stopped or unreachable. */
  streamer: RunningStreamer | null;
}
