/** What this appliance is, how it is, and which of its parts do not work. */

import { useEffect, useState } from "preact/hooks";
import { call } from "../../net/api";
import { text } from "../../text";
import { duration, relative } from "../../text/units";
import { useSession } from "../../ui/context";
import { Button, Loading, Row, Section } from "../../ui/kit";

interface Task {
  phase: "starting" | "online" | "backing_off" | "failed";
  faults: number;
  last_error: string | null;
}

/** Often enough to see a repair, seldom enough to cost nothing. */
const LOOK_MS = 3_000;

/** The supervised tasks, looked at while the page is open. */
function useTasks(): { tasks: Record<string, Task> | null; look: () => void } {
  const session = useSession();
  const [tasks, setTasks] = useState<Record<string, Task> | null>(null);
  const look = (): void => {
    call<{ tasks: Record<string, Task> }>("GET", session.base, "api/supervisor").then(
      (answer) => setTasks(answer.tasks),
      // The connection's own words say that the appliance is away.
      () => undefined,
    );
  };
  useEffect(() => {
    look();
    const timer = setInterval(look, LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  return { tasks, look };
}

function Tasks() {
  const session = useSession();
  const words = text.value.system;
  const { tasks, look } = useTasks();
  if (tasks === null) {
    return <Loading />;
  }
  const entries = Object.entries(tasks);
  const broken = entries.filter(([, { phase }]) => phase !== "online");
  return (
    <>
      <p id="tasks-told" role="status">
        {broken.length === 0 ? words.allWell(entries.length) : words.someBroken(broken.length)}
      </p>
      <ul class="plain-list">
        {broken.map(([name, { phase, last_error }]) => (
          <li key={name} data-testid={`task-${name}`}>
            <strong>{name}</strong>
            <span>{words.phase[phase] ?? phase}</span>
            {last_error !== null && <span class="complaint selectable">{last_error}</span>}
            <Row>
              <Button
                hint={words.restartHint}
                onPress={() => {
                  void session.act(words.restart, "api/supervisor/restart", { task: name }).then(look);
                }}
              >
                {words.restart}
                <span class="unseen"> {name}</span>
              </Button>
            </Row>
          </li>
        ))}
      </ul>
    </>
  );
}

/** To somebody who is here by a share link: of whom, and until when. */
function Guest() {
  const words = text.value.access;
  const granted = useSession().rights.granted.value;
  const grant = granted?.grant ?? null;
  if (granted === null || grant === null) {
    return null;
  }
  return (
    <p id="guest" role="status">
      {words.guest(granted.user, grant.name)}
      {grant.left_s !== null && ` ${words.guestEnds(relative(grant.left_s, document.documentElement.lang))}`}
    </p>
  );
}

export default function OverviewPage() {
  const session = useSession();
  const words = text.value.system;
  const info = session.appliance.states.info.value;
  const system = info?.system;
  const watching = session.appliance.states.clients.value?.count ?? 0;
  const facts: [string, string][] = [
    [words.name, String(info?.meta?.server?.host ?? info?.node?.host ?? "")],
    [words.platform, system?.platform?.base ?? system?.platform?.type ?? ""],
    [words.kernel, system === undefined ? "" : `${system.kernel.system} ${system.kernel.release}`],
    [words.api, system?.kvmd.version ?? ""],
    [words.uptime, info?.uptime === undefined ? "" : duration(info.uptime.total)],
    [words.watching, String(watching)],
  ];
  return (
    <>
      <Guest />
      <Section title={words.state}>
        <Tasks />
      </Section>
      <Section title={words.facts}>
        <dl class="facts-list selectable">
          {facts
            .filter(([, value]) => value !== "")
            .map(([name, value]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{value}</dd>
              </div>
            ))}
        </dl>
      </Section>
    </>
  );
}
