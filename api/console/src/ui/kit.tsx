/**
 * The console's own few controls: native elements with their labels, in one look. Where a control shows what
 * the appliance says, it jumps back until the appliance has said so.
 */

import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import { text } from "../text";

/** A part of a panel, with its heading. */
export function Section({
  title,
  children,
  id,
}: {
  title: string;
  children: ComponentChildren;
  id?: string;
}) {
  const heading = useId();
  return (
    <section class="section" id={id} aria-labelledby={heading}>
      <h3 id={heading}>{title}</h3>
      {children}
    </section>
  );
}

interface ButtonProps {
  id?: string;
  children: ComponentChildren;
  hint?: string;
  danger?: boolean;
  primary?: boolean;
  /** Shown as unavailable; it keeps the focus, which a disabled button would lose. */
  off?: boolean;
  /** Of a button that stays down. */
  pressed?: boolean;
  onPress: () => void;
}

export function Button(props: ButtonProps) {
  const { id, children, hint, danger = false, primary = false, off = false, pressed, onPress } = props;
  return (
    <button
      type="button"
      id={id}
      data-testid={id}
      class={["tool", danger && "danger", primary && "primary"].filter(Boolean).join(" ")}
      title={hint}
      aria-disabled={off}
      aria-pressed={pressed}
      onClick={() => {
        if (!off) {
          onPress();
        }
      }}
    >
      {children}
    </button>
  );
}

/** A row of controls that belong together. */
export function Row({ children }: { children: ComponentChildren }) {
  return <div class="row">{children}</div>;
}

interface FieldProps {
  label: string;
  hint?: string | undefined;
  /** What is wrong with it; "" if nothing is. */
  error?: string;
  children: (props: { id: string; describedBy: string | undefined }) => ComponentChildren;
  id?: string;
}

/** A label above a control, with words of explanation or complaint below it. */
export function Field({ label, hint, error = "", children, id }: FieldProps) {
  const made = useId();
  const control = id ?? made;
  const words = error === "" ? hint : error;
  return (
    <div class="field">
      <label for={control}>{label}</label>
      {children({ id: control, describedBy: words === undefined ? undefined : `${control}-words` })}
      {words !== undefined && (
        <small
          id={`${control}-words`}
          class={error === "" ? "" : "complaint"}
          role={error === "" ? undefined : "alert"}
        >
          {words}
        </small>
      )}
    </div>
  );
}

interface ChoiceProps<T extends string> {
  id?: string;
  label: string;
  hint?: string;
  value: T;
  /** Values and their names, in order. */
  options: readonly (readonly [value: T, name: string])[];
  off?: boolean;
  onChange: (value: T) => void;
}

export function Choice<T extends string>({
  id,
  label,
  hint,
  value,
  options,
  off = false,
  onChange,
}: ChoiceProps<T>) {
  return (
    <Field label={label} hint={hint} {...(id === undefined ? {} : { id })}>
      {(props) => (
        <select
          id={props.id}
          data-testid={id}
          aria-describedby={props.describedBy}
          value={value}
          disabled={off}
          onChange={(event) => {
            const chosen = event.currentTarget.value as T;
            event.currentTarget.value = value;
            onChange(chosen);
          }}
        >
          {options.map(([option, name]) => (
            <option key={option} value={option}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

interface ToggleProps {
  id?: string;
  label: string;
  /** Whether the label is only read aloud, where other words stand beside the switch. */
  quiet?: boolean;
  hint?: string;
  on: boolean;
  off?: boolean;
  onChange: (on: boolean) => void;
}

/** A switch. */
export function Toggle({ id, label, quiet = false, hint, on, off = false, onChange }: ToggleProps) {
  const made = useId();
  const words = `${id ?? made}-words`;
  return (
    <div class="toggle">
      <label>
        <input
          type="checkbox"
          role="switch"
          id={id ?? made}
          data-testid={id}
          checked={on}
          disabled={off}
          aria-describedby={hint === undefined ? undefined : words}
          onClick={(event) => {
            event.preventDefault();
            onChange(!on);
          }}
        />
        <span class={quiet ? "unseen" : ""}>{label}</span>
      </label>
      {hint !== undefined && <small id={words}>{hint}</small>}
    </div>
  );
}

interface SliderProps {
  id?: string;
  label: string;
  value: number;
  min: number;
  max: number;
  step?: number;
  /** How the value is told, with its unit. */
  format: (value: number) => string;
  off?: boolean;
  /** Called when it is let go, not on the way. */
  onChange: (value: number) => void;
}

export function Slider({ id, label, value, min, max, step = 1, format, off = false, onChange }: SliderProps) {
  // Where the hand is; null while no hand is on it.
  const [held, setHeld] = useState<number | null>(null);
  const shown = held ?? value;
  return (
    <Field label={`${label}: ${format(shown)}`} {...(id === undefined ? {} : { id })}>
      {(props) => (
        <input
          type="range"
          id={props.id}
          data-testid={id}
          min={min}
          max={max}
          step={step}
          value={shown}
          disabled={off}
          aria-valuetext={format(shown)}
          onInput={(event) => setHeld(event.currentTarget.valueAsNumber)}
          onChange={(event) => {
            setHeld(null);
            onChange(event.currentTarget.valueAsNumber);
          }}
        />
      )}
    </Field>
  );
}

interface ProgressProps {
  id?: string;
  label: string;
  /** 0..1; null while it is not known how much there is. */
  share: number | null;
  /** The numbers, in words. */
  detail?: string;
}

export function Progress({ id, label, share, detail }: ProgressProps) {
  const made = useId();
  return (
    <div class="progress" data-testid={id}>
      <label for={id ?? made}>{label}</label>
      <progress id={id ?? made} {...(share === null ? {} : { value: share })} max={1} />
      {detail !== undefined && <small>{detail}</small>}
    </div>
  );
}

/** What stands where there is nothing else. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** While something is on its way. */
export function Loading() {
  return <p class="empty">{text.value.common.loading}</p>;
}
