/** The picture in a window of its own that floats over all others (Picture-in-Picture). */

import type { Session } from "../session";
import { Copy } from "./recording";

export function canFloat(): boolean {
  return document.pictureInPictureEnabled === true;
}

/** Open it; resolves when it is there. It closes by its own button. */
export async function float(session: Session): Promise<void> {
  const size = session.video.size.peek();
  if (size === null) {
    return;
  }
  const copy = new Copy(session, size);
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = copy.canvas.captureStream();
  video.addEventListener("leavepictureinpicture", () => {
    copy.stop();
    video.srcObject = null;
  });
  try {
    await video.play();
    await video.requestPictureInPicture();
  } catch (error) {
    copy.stop();
    throw error;
  }
}
