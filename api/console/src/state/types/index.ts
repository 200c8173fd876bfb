/** What arrives under which event name of the control socket; each area's shapes are in a file of its own. */

import type { AtxState } from "./atx";
import type { GpioState } from "./gpio";
import type { HidKeymapsState, HidState } from "./hid";
import type { ClientsState, InfoState } from "./info";
import type { MsdState } from "./msd";
import type { OcrState } from "./ocr";
import type { StreamerState } from "./streamer";
import type { SwitchState } from "./switch";
import type { UpdateState } from "./update";

export interface States {
  atx: AtxState;
  hid: HidState;
  hid_keymaps: HidKeymapsState;
  streamer: StreamerState;
  clients: ClientsState;
  info: InfoState;
  gpio: GpioState;
  msd: MsdState;
  switch: SwitchState;
  ocr: OcrState;
  update: UpdateState;
}
