/** The user's passkeys: made, named, removed. */

import { useEffect, useState } from "preact/hooks";
import { call } from "../../../net/api";
import { canUsePasskeys, makePasskey, PasskeyDeclined } from "../../../net/passkeys";
import { text } from "../../../text";
import { useSession } from "../../../ui/context";
import { Button, Field, Loading, Row, Section } from "../../../ui/kit";
import { Proof } from "./proof";

interface Passkey {
  id: string;
  name: string;
  host: string;
  made_s: number;
  counts: boolean;
}

export function Passkeys({ user }: { user: string }) {
  const session = useSession();
  const words = text.value.account;
  const [passkeys, setPasskeys] = useState<readonly Passkey[] | null>(null);
  const [asking, setAsking] = useState(false);
  const look = async (): Promise<void> => {
    const answer = await session.attempt(words.passkeys, () =>
      call<{ passkeys: Passkey[] }>("GET", session.base, "api/auth/passkeys"),
    );
    if (answer !== null) {
      setPasskeys(answer.passkeys);
    }
  };
  useEffect(() => {
    void look();
  }, [session]);
  const make = async (passwd: string): Promise<void> => {
    const name = words.passkeyName(new Date().toLocaleDateString(document.documentElement.lang));
    const made = await session.attempt(words.makePasskey, async () => {
      try {
        await makePasskey(session.base, passwd, name);
      } catch (error) {
        throw error instanceof PasskeyDeclined ? new Error(words.passkeyDeclined) : error;
      }
      return true;
    });
    if (made !== null) {
      setAsking(false);
      await look();
    }
  };
  return (
    <Section title={words.passkeys} id="passkeys">
      <p class="empty">{canUsePasskeys() ? words.passkeysHint : words.passkeysNotHere}</p>
      {passkeys === null ? (
        <Loading />
      ) : (
        <ul class="plain-list" id="passkey-list">
          {passkeys.map((passkey) => (
            <PasskeyItem key={passkey.id} passkey={passkey} onChange={look} />
          ))}
        </ul>
      )}
      {asking ? (
        <Proof
          id="passkey-proof"
          user={user}
          action={words.makePasskey}
          withCode={false}
          onProof={make}
          onCancel={() => setAsking(false)}
        />
      ) : (
        canUsePasskeys() && (
          <Row>
            <Button id="passkey-make" primary onPress={() => setAsking(true)}>
              {words.makePasskey}
            </Button>
          </Row>
        )
      )}
    </Section>
  );
}

function PasskeyItem({ passkey, onChange }: { passkey: Passkey; onChange: () => Promise<void> }) {
  const session = useSession();
  const words = text.value.account;
  const [name, setName] = useState<string | null>(null);
  const { id } = passkey;
  const rename = async (): Promise<void> => {
    await session.act(words.rename, "api/auth/passkeys/rename", { id, name: name ?? "" });
    setName(null);
    await onChange();
  };
  const remove = async (): Promise<void> => {
    const question = {
      title: words.confirmRemove(passkey.name),
      text: words.confirmRemoveText,
      action: words.remove,
    };
    if (await session.confirm(question)) {
      await session.act(words.remove, "api/auth/passkeys/remove", { id });
      await onChange();
    }
  };
  return (
    <li data-testid="passkey">
      {name === null ? (
        <>
          <Row>
            <strong>{passkey.name}</strong>
            <span class="empty">{words.passkeyFor(passkey.host)}</span>
          </Row>
          {!passkey.counts && <p class="complaint">{words.passkeyEnded}</p>}
          <Row>
            <Button onPress={() => setName(passkey.name)}>
              {words.rename}
              <span class="unseen"> {passkey.name}</span>
            </Button>
            <Button danger onPress={() => void remove()}>
              {words.remove}
              <span class="unseen"> {passkey.name}</span>
            </Button>
          </Row>
        </>
      ) : (
        <form
          class="section"
          onSubmit={(event) => {
            event.preventDefault();
            void rename();
          }}
        >
          <Field label={words.newName}>
            {(props) => (
              <input
                id={props.id}
                required
                maxLength={64}
                value={name}
                onInput={(event) => setName(event.currentTarget.value)}
              />
            )}
          </Field>
          <Row>
            <button type="submit" class="tool primary">
              {words.rename}
            </button>
            <Button onPress={() => setName(null)}>{text.value.common.cancel}</Button>
          </Row>
        </form>
      )}
    </li>
  );
}
