/** Which panels there are; what each holds is loaded when it is opened for the first time. */

import type { ComponentType, JSX } from "preact";
import { hasChannels } from "../panels/gpio/view";
import type { Session } from "../session";
import type { Catalogue } from "../text/en";
import {
  ChipIcon,
  DriveIcon,
  GaugeIcon,
  KeysIcon,
  LinesIcon,
  MouseIcon,
  ScreenIcon,
  SplitIcon,
} from "./icons";

export type PanelName = keyof Catalogue["panels"]["title"];

export interface Panel {
  readonly name: PanelName;
  readonly icon: () => JSX.Element;
  readonly load: () => Promise<{ default: ComponentType }>;
  /** Whether this appliance has what it is for, and its user may use it; read at rendering. */
  readonly isOffered: (session: Session) => boolean;
}

const always = (): boolean => true;

/** In the order of the rail. */
export const PANELS: readonly Panel[] = [
  { name: "video", icon: ScreenIcon, load: () => import("../panels/video/panel"), isOffered: always },
  {
    name: "keyboard",
    icon: KeysIcon,
    load: () => import("../panels/keyboard/panel"),
    isOffered: (session) => session.rights.may("type"),
  },
  {
    name: "mouse",
    icon: MouseIcon,
    load: () => import("../panels/mouse/panel"),
    isOffered: (session) => session.rights.may("point"),
  },
  { name: "text", icon: LinesIcon, load: () => import("../panels/text/panel"), isOffered: always },
  { name: "drives", icon: DriveIcon, load: () => import("../panels/drives/panel"), isOffered: always },
  {
    name: "gpio",
    icon: ChipIcon,
    load: () => import("../panels/gpio/panel"),
    isOffered: (session) => hasChannels(session.appliance.states.gpio.value),
  },
  {
    name: "switch",
    icon: SplitIcon,
    load: () => import("../panels/switch/panel"),
    isOffered: (session) => (session.appliance.states.switch.value?.model.units.length ?? 0) > 0,
  },
  { name: "system", icon: GaugeIcon, load: () => import("../panels/system/panel"), isOffered: always },
];
