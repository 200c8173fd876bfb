/** The login page: user, password, optional one-time code, and a clear word when it does not work. */

import { useSignalEffect } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { ApiError, call, isLoggedIn, login } from "../net/api";
import { passwdField } from "../net/credentials";
import { canUsePasskeys, logInByPasskey, PasskeyDeclined } from "../net/passkeys";
import { endpoint } from "../net/urls";
import { text } from "../text";
import { loginFailure } from "../text/failures";
import { Mark } from "./icons";
import { LanguageChoice } from "./language_choice";

interface LoginProps {
  base: URL;
  /** Where to go after it. */
  target: string;
  /** Whether a session has just ended. */
  ended: boolean;
}

function fieldOf(form: HTMLFormElement, name: string): string {
  const value = new FormData(form).get(name);
  return typeof value === "string" ? value : "";
}

export function LoginPage({ base, target, ended }: LoginProps) {
  const words = text.value.login;
  const [failure, setFailure] = useState("");
  const [working, setWorking] = useState(false);
  const [provider, setProvider] = useState("");
  const password = useRef<HTMLInputElement>(null);

  useSignalEffect(() => {
    document.title = text.value.login.pageTitle;
  });
  useEffect(() => {
    // Someone who is logged in, or does not need to be, has nothing to do here.
    isLoggedIn(base).then(
      (loggedIn) => {
        if (loggedIn) {
          location.replace(target);
        }
      },
      () => setFailure(text.value.error.network),
    );
  }, [base, target]);

  useEffect(() => {
    call<{ enabled: boolean; name: string }>("GET", base, "api/auth/oidc").then(
      (oidc) => setProvider(oidc.enabled ? oidc.name : ""),
      () => setProvider(""), // the password goes on working
    );
  }, [base]);

  const submit = async (form: HTMLFormElement): Promise<void> => {
    const user = fieldOf(form, "user").trim();
    const passwd = passwdField(fieldOf(form, "passwd"), fieldOf(form, "code"));
    if (user === "") {
      setFailure(words.userMissing);
      return;
    }
    if (passwd === null) {
      setFailure(words.codeMalformed);
      return;
    }
    setWorking(true);
    setFailure("");
    try {
      await login(base, user, passwd);
    } catch (error) {
      setWorking(false);
      setFailure(loginFailure(text.value, error));
      password.current?.select();
      return;
    }
    location.replace(target);
  };

  const submitPasskey = async (): Promise<void> => {
    setWorking(true);
    setFailure("");
    try {
      await logInByPasskey(base);
    } catch (error) {
      setWorking(false);
      if (error instanceof PasskeyDeclined) {
        return; // by the user, who knows
      }
      const refused = error instanceof ApiError && error.status === 403;
      setFailure(refused ? words.wrongPasskey : loginFailure(text.value, error));
      return;
    }
    location.replace(target);
  };

  return (
    <main class="login">
      <form
        class="login-card"
        aria-labelledby="login-title"
        onSubmit={(event) => {
          event.preventDefault();
          if (!working) {
            void submit(event.currentTarget);
          }
        }}
      >
        <div class="login-brand">
          <Mark />
          <span>{text.value.common.product}</span>
        </div>
        <h1 id="login-title">{words.title}</h1>
        {ended && failure === "" && (
          <p id="login-ended" role="status">
            {words.expired}
          </p>
        )}
        <label class="field">
          <span>{words.user}</span>
          <input
            id="login-user"
            data-testid="login-user"
            name="user"
            autocomplete="username"
            autocapitalize="none"
            spellcheck={false}
            autofocus
          />
        </label>
        <label class="field">
          <span>{words.password}</span>
          <input
            id="login-passwd"
            data-testid="login-passwd"
            name="passwd"
            type="password"
            autocomplete="current-password"
            ref={password}
          />
        </label>
        <label class="field">
          <span>{words.code}</span>
          <input
            id="login-code"
            data-testid="login-code"
            name="code"
            inputMode="numeric"
            autocomplete="one-time-code"
            aria-describedby="login-code-hint"
          />
          <small id="login-code-hint">{words.codeHint}</small>
        </label>
        <p id="login-error" data-testid="login-error" class="login-error" role="alert">
          {failure}
        </p>
        <button
          type="submit"
          id="login-submit"
          data-testid="login-submit"
          class="primary"
          aria-disabled={working}
        >
          {working ? words.working : words.submit}
        </button>
        {canUsePasskeys() && (
          <button
            type="button"
            id="login-passkey"
            data-testid="login-passkey"
            class="tool"
            aria-disabled={working}
            onClick={() => {
              if (!working) {
                void submitPasskey();
              }
            }}
          >
            {words.byPasskey}
          </button>
        )}
        {provider !== "" && (
          <a
            id="login-provider"
            data-testid="login-provider"
            class="tool login-elsewhere"
            href={endpoint(base, "api/auth/oidc/login")}
          >
            {words.byProvider(provider)}
          </a>
        )}
        <LanguageChoice />
      </form>
    </main>
  );
}
