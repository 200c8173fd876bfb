/** What the model's drawing means in the console's terms. Pure. */

import type { GpioState } from "../../state/types/gpio";
import { LAMP_COLOURS, type LampColour } from "../../ui/parts";

/** The words above the table; lamps and buttons cannot stand there. */
export function titleOf(gpio: GpioState): string {
  return gpio.model.view.header.title.flatMap((item) => (item.type === "label" ? [item.text] : [])).join(" ");
}

/** Whether there is anything to look at or to press. */
export function hasChannels(gpio: GpioState | null): boolean {
  return gpio !== null && gpio.model.view.table.some((row) => row !== null && row.length > 0);
}

/** A colour of the contract, which takes all others for green (subsystems.md 5). */
export function lampOf(color: string): LampColour {
  return LAMP_COLOURS.find((name) => name === color) ?? "green";
}
