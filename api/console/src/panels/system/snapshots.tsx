/** Pictures of the screen: the one that the appliance keeps, and those that were taken in this page. */

import { signal } from "@preact/signals";
import { getBlob } from "../../net/api";
import { endpoint } from "../../net/urls";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Empty, Row, Section } from "../../ui/kit";
import { saveAs } from "../../ui/save";

interface Shot {
  readonly at: Date;
  readonly picture: Blob;
  readonly url: string;
}

/** They go with the page. */
const shots = signal<readonly Shot[]>([]);

const PATH = "api/streamer/snapshot";

function fileName(at: Date): string {
  return `screen-${at.toISOString().slice(0, 19).replaceAll(":", "-")}.jpg`;
}

export default function SnapshotsPage() {
  const session = useSession();
  const words = text.value.system;
  const saved = session.appliance.states.streamer.value?.snapshot.saved ?? null;
  const take = async (): Promise<void> => {
    const picture = await session.attempt(words.take, () => getBlob(session.base, PATH));
    if (picture !== null) {
      shots.value = [{ at: new Date(), picture, url: URL.createObjectURL(picture) }, ...shots.peek()];
    }
  };
  const remove = (shot: Shot): void => {
    URL.revokeObjectURL(shot.url);
    shots.value = shots.peek().filter((other) => other !== shot);
  };
  return (
    <>
      <Section title={words.kept}>
        {saved === null ? (
          <Empty>{words.noneKept}</Empty>
        ) : (
          <a href={endpoint(session.base, PATH, { load: 1 })} target="_blank" rel="noreferrer">
            <img
              id="kept"
              class="shot"
              alt={words.keptAlt(saved.width, saved.height)}
              src={endpoint(session.base, PATH, { load: 1, preview: 1, preview_max_width: 640 })}
            />
          </a>
        )}
        <Row>
          <Button
            id="keep"
            onPress={() => void session.attempt(words.keep, () => getBlob(session.base, PATH, { save: 1 }))}
          >
            {words.keep}
          </Button>
          {saved !== null && (
            <Button
              id="forget"
              danger
              onPress={() =>
                void session.attempt(words.forget, () =>
                  fetch(endpoint(session.base, PATH), { method: "DELETE" }),
                )
              }
            >
              {words.forget}
            </Button>
          )}
        </Row>
      </Section>
      <Section title={words.shots}>
        <Row>
          <Button id="take" primary onPress={() => void take()}>
            {words.take}
          </Button>
          {shots.value.length > 1 && (
            <Button onPress={() => shots.value.forEach(({ picture, at }) => saveAs(picture, fileName(at)))}>
              {words.saveAll}
            </Button>
          )}
        </Row>
        {shots.value.length === 0 && <Empty>{words.noShots}</Empty>}
        <ul class="plain-list">
          {shots.value.map((shot) => (
            <li key={shot.url} data-testid="shot">
              <img class="shot" alt={shot.at.toLocaleString(text.value.drives.locale)} src={shot.url} />
              <Row>
                <span>{shot.at.toLocaleTimeString(text.value.drives.locale)}</span>
                <Button onPress={() => saveAs(shot.picture, fileName(shot.at))}>{words.save}</Button>
                <Button danger onPress={() => remove(shot)}>
                  {words.removeShot}
                </Button>
              </Row>
            </li>
          ))}
        </ul>
      </Section>
    </>
  );
}
