/** The video panel: the view, the way of the picture, the streamer's settings, the monitor. */

import { EdidSection } from "./edid";
import { Settings } from "./settings";
import { TransportSection, ViewSection } from "./view_section";

export default function VideoPanel() {
  return (
    <>
      <ViewSection />
      <TransportSection />
      <Settings />
      <EdidSection />
    </>
  );
}
