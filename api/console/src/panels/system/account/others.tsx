/** For administrators: who has a second factor, and taking it from somebody who lost it. */

import { useEffect, useState } from "preact/hooks";
import { call } from "../../../net/api";
import { text } from "../../../text";
import { useSession } from "../../../ui/context";
import { Button, Row, Section } from "../../../ui/kit";

export function OthersFactors({ user }: { user: string }) {
  const session = useSession();
  const words = text.value.account;
  const [users, setUsers] = useState<readonly string[]>([]);
  const look = async (): Promise<void> => {
    const answer = await session.attempt(words.others, () =>
      call<{ users: string[] }>("GET", session.base, "api/auth/totp/users"),
    );
    setUsers(answer?.users.filter((one) => one !== user) ?? []);
  };
  useEffect(() => {
    void look();
  }, [session, user]);
  const reset = async (one: string): Promise<void> => {
    const question = { title: words.confirmReset(one), text: words.confirmResetText, action: words.reset };
    if (await session.confirm(question)) {
      await session.act(words.reset, "api/auth/totp/reset", { user: one });
      await look();
    }
  };
  if (users.length === 0) {
    return null;
  }
  return (
    <Section title={words.others}>
      <ul class="plain-list" id="others-factors">
        {users.map((one) => (
          <li key={one}>
            <Row>
              <strong>{one}</strong>
              <Button danger onPress={() => void reset(one)}>
                {words.reset}
                <span class="unseen"> {one}</span>
              </Button>
            </Row>
          </li>
        ))}
      </ul>
    </Section>
  );
}
