/** The event `ocr` (contract websocket.md 1.4). */

export interface OcrState {
  enabled: boolean;
  langs: { default: string[]; available: string[] };
}
