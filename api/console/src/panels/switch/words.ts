/** Names for what the switch numbers. Pure. */

import type { SwitchColor, SwitchPort, SwitchState } from "../../state/types/switch";
import { text } from "../../text";

/** The name that somebody gave the port, else its number. */
export function portName(port: SwitchPort): string {
  return port.name === "" ? text.value.kvm_switch.port(port.id) : port.name;
}

/** All EDIDs with their identifiers, the default one first. */
export function edidNames(state: SwitchState): [id: string, name: string][] {
  return Object.entries(state.edids.all)
    .map(([id, { name }]): [string, string] => [id, name])
    .sort(([a, nameA], [b, nameB]) =>
      a === "default" ? -1 : b === "default" ? 1 : nameA.localeCompare(nameB),
    );
}

function twoDigits(value: number): string {
  return value.toString(16).padStart(2, "0");
}

/** A colour for `<input type="color">`. */
export function hexOf({ red, green, blue }: SwitchColor): string {
  return `#${twoDigits(red)}${twoDigits(green)}${twoDigits(blue)}`;
}

/** A colour as the contract writes it (`RRGGBB:brightness:blink`), with another hue. */
export function colourParam(hex: string, { brightness, blink_ms }: SwitchColor): string {
  return `${hex.slice(1)}:${twoDigits(brightness)}:${blink_ms.toString(16).padStart(4, "0")}`.toUpperCase();
}
