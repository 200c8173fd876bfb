/** A form that asks for the password (and the code) once more before something about the account changes. */

import { useState } from "preact/hooks";
import { passwdField } from "../../../net/credentials";
import { text } from "../../../text";
import { Button, Field, Row } from "../../../ui/kit";

interface ProofProps {
  /** Begins the ids of its elements. */
  id: string;
  user: string;
  /** What the button says. */
  action: string;
  /** Whether the code has to be there. */
  withCode: boolean;
  onProof: (passwd: string) => Promise<void>;
  onCancel: () => void;
}

export function Proof({ id, user, action, withCode, onProof, onCancel }: ProofProps) {
  const words = text.value.account;
  const [password, setPassword] = useState("");
  const [code, setCode] = useState("");
  const [error, setError] = useState("");
  const submit = async (): Promise<void> => {
    const passwd = passwdField(password, code);
    if (passwd === null || (withCode && passwd === password)) {
      setError(text.value.login.codeMalformed);
      return;
    }
    setError("");
    setCode("");
    await onProof(passwd);
  };
  return (
    <form
      id={id}
      class="section"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {/* For password managers, which fill in by user names. */}
      <input
        type="text"
        class="unseen"
        tabIndex={-1}
        aria-hidden="true"
        autocomplete="username"
        value={user}
        readOnly
      />
      <Field label={text.value.login.password} hint={words.proofHint} id={`${id}-passwd`}>
        {(props) => (
          <input
            id={props.id}
            data-testid={props.id}
            type="password"
            autocomplete="current-password"
            aria-describedby={props.describedBy}
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        )}
      </Field>
      <CodeField
        id={`${id}-code`}
        label={text.value.login.code}
        hint={text.value.login.codeHint}
        error={error}
        value={code}
        onCode={setCode}
      />
      <Row>
        <button type="submit" id={`${id}-submit`} data-testid={`${id}-submit`} class="tool primary">
          {action}
        </button>
        <Button onPress={onCancel}>{text.value.common.cancel}</Button>
      </Row>
    </form>
  );
}

interface CodeFieldProps {
  id: string;
  label: string;
  hint: string;
  error: string;
  value: string;
  onCode: (code: string) => void;
}

/** A field for a one-time code. */
export function CodeField({ id, label, hint, error, value, onCode }: CodeFieldProps) {
  return (
    <Field label={label} hint={hint} error={error} id={id}>
      {(props) => (
        <input
          id={props.id}
          data-testid={props.id}
          autocomplete="one-time-code"
          autocapitalize="none"
          spellcheck={false}
          aria-describedby={props.describedBy}
          value={value}
          onInput={(event) => onCode(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}
