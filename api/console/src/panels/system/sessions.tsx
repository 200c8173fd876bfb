/** Who is logged in, and ending a session; how many watch (docs/console.md, "Sessions"). */

import { useEffect, useState } from "preact/hooks";
import { call } from "../../net/api";
import { text } from "../../text";
import { duration } from "../../text/units";
import { useSession } from "../../ui/context";
import { Button, Loading, Row, Section } from "../../ui/kit";

interface Login {
  id: string;
  user: string;
  own: boolean;
  age_s: number;
  left_s: number | null;
}

export default function SessionsPage() {
  const session = useSession();
  const words = text.value.system;
  const [logins, setLogins] = useState<readonly Login[] | null>(null);
  const count = session.appliance.states.clients.value?.count ?? 0;
  const look = async (): Promise<void> => {
    const answer = await session.attempt(words.sessions, () =>
      call<{ sessions: Login[] }>("GET", session.base, "api/auth/sessions"),
    );
    if (answer !== null) {
      setLogins(answer.sessions);
    }
  };
  // Whoever comes or goes opens or closes a console.
  useEffect(() => {
    void look();
  }, [session, count]);
  const end = async (login: Login): Promise<void> => {
    const question = { title: words.confirmEnd(login.user), text: words.confirmEndText, action: words.end };
    if (await session.confirm(question)) {
      await session.act(words.end, "api/auth/sessions/end", { id: login.id });
      await look();
    }
  };
  return (
    <Section title={words.sessions}>
      <p role="status">{text.value.screen.viewers(count)}</p>
      {logins === null ? (
        <Loading />
      ) : (
        <ul class="plain-list" id="sessions">
          {logins.map((login) => (
            <li key={login.id} data-testid="session" data-own={login.own}>
              <Row>
                <strong>{login.user}</strong>
                {login.own && <span>{words.own}</span>}
                <span class="empty">
                  {words.since(duration(login.age_s))}
                  {login.left_s !== null && ` · ${words.expires(duration(login.left_s))}`}
                </span>
              </Row>
              {!login.own && (
                <Row>
                  <Button danger onPress={() => void end(login)}>
                    {words.end}
                    <span class="unseen"> {login.user}</span>
                  </Button>
                </Row>
              )}
            </li>
          ))}
        </ul>
      )}
      <Row>
        <Button id="logout-all" danger hint={words.logoutHint} onPress={() => void session.logOut()}>
          {words.logoutAll}
        </Button>
      </Row>
    </Section>
  );
}
