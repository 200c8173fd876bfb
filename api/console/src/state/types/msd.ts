/** The event `msd` (contract http.md 4.6); `sha256`, `verified` and `verifying` are Farhand's own (docs/boot-media.md). */

export interface Image {
  complete: boolean;
  removable: boolean;
  writable: boolean;
  size: number;
  /** Seconds since the epoch. */
  mod_ts: number;
  sha256?: string | null;
  /** null if nobody has looked since its last change. */
  verified?: boolean | null;
}

export interface Part {
  size: number;
  free: number;
  writable: boolean;
}

export interface MsdState {
  enabled: boolean;
  online: boolean;
  busy: boolean;
  /** null while the storage is offline. */
  storage: {
    images: Record<string, Image>;
    /** By where they are mounted; "" is the root. */
    parts: Record<string, Part>;
    downloading: { name: string; size: number; readed: number } | null;
    uploading: { name: string; size: number; written: number } | null;
    verifying?: { name: string; size: number; readed: number } | null;
  } | null;
  drive: {
    image: (Image & { name: string; in_storage: boolean }) | null;
    connected: boolean;
    cdrom: boolean;
    rw: boolean;
  } | null;
}
