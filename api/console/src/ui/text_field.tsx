/** Fields that people write into: a line, or several. */

import { Field } from "./kit";

interface TextProps {
  id: string;
  label: string;
  hint?: string;
  /** What is wrong with it; "" if nothing is. */
  error?: string;
  placeholder?: string;
  value: string;
  onText: (text: string) => void;
}

interface TextFieldProps extends TextProps {
  /** Of a password, what the browser's keeper of passwords is to think of it. */
  type?: "search" | "text" | "url" | "new-password" | "current-password";
  required?: boolean;
}

/** A line of text. */
export function TextField({
  id,
  label,
  hint,
  error = "",
  type = "text",
  onText,
  ...further
}: TextFieldProps) {
  const secret = type.endsWith("password");
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      {(props) => (
        <input
          {...further}
          // One of the three: the types know of each what it goes with, and not of all.
          type={(secret ? "password" : type) as "text"}
          id={props.id}
          data-testid={props.id}
          aria-describedby={props.describedBy}
          autocomplete={secret ? type : "off"}
          spellcheck={false}
          onInput={(event) => onText(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface TextAreaProps extends TextProps {
  rows: number;
  class?: string;
}

/** Lines of text. */
export function TextArea({ id, label, hint, error = "", onText, ...further }: TextAreaProps) {
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      {(props) => (
        <textarea
          {...further}
          id={props.id}
          data-testid={props.id}
          aria-describedby={props.describedBy}
          autocomplete="off"
          spellcheck={false}
          onInput={(event) => onText(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}
