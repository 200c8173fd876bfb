/** Small pieces that several views use. */

import type { ComponentChildren } from "preact";
import { text } from "../text";

interface ButtonProps {
  id: string;
  hint: string;
  icon: ComponentChildren;
  children: string;
  danger?: boolean;
  /** Shown as unavailable; it keeps the focus, which a disabled button would lose. */
  off?: boolean;
  onPress: () => void;
}

/** A button of the tool bar; on a narrow screen only its icon is visible. */
export function ToolButton({ id, hint, icon, children, danger = false, off = false, onPress }: ButtonProps) {
  return (
    <button
      type="button"
      id={id}
      data-testid={id}
      class={danger ? "tool danger" : "tool"}
      title={hint}
      aria-disabled={off}
      onClick={() => {
        if (!off) {
          onPress();
        }
      }}
    >
      {icon}
      <span class="tool-text">{children}</span>
    </button>
  );
}

/** The colours of the contract's lamps (subsystems.md 5), amber for a disk's, which has no name there. */
export const LAMP_COLOURS = [
  "green",
  "yellow",
  "red",
  "blue",
  "cyan",
  "magenta",
  "pink",
  "white",
  "amber",
] as const;

export type LampColour = (typeof LAMP_COLOURS)[number];

interface LedProps {
  id: string;
  label: string;
  /** null while it is not known. */
  lit: boolean | null;
  colour: LampColour;
  /** Whether the label is only read aloud, where other words stand beside the lamp. */
  quiet?: boolean;
}

/** A lamp with its name; lit ones are filled, dark ones hollow, so that the colour is not needed. */
export function Led({ id, label, lit, colour, quiet = false }: LedProps) {
  const { on, off, unknown } = text.value.common;
  const state = lit === null ? "unknown" : lit ? "on" : "off";
  return (
    <span id={id} data-testid={id} class={`led led-${colour}`} data-state={state}>
      <span class="lamp" aria-hidden="true" />
      <span class={quiet ? "unseen" : ""}>{label}</span>
      <span class="unseen"> {lit === null ? unknown : lit ? on : off}</span>
    </span>
  );
}
