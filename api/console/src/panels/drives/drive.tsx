/** The drive that the target sees: what is in it, of which kind, and the button that puts it in. */

import type { MsdState } from "../../state/types/msd";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Choice, Row, Section } from "../../ui/kit";

type Kind = "cdrom" | "flash" | "writable";

const NOTHING = "";

export function Drive({ msd }: { msd: MsdState }) {
  const session = useSession();
  const words = text.value.drives;
  const { drive, storage } = msd;
  if (drive === null || storage === null) {
    return null;
  }
  const kind: Kind = drive.cdrom ? "cdrom" : drive.rw ? "writable" : "flash";
  const image = drive.image;
  const fixed = drive.connected || msd.busy;
  const set = (query: Record<string, string | boolean>): void => {
    void session.act(words.drive, "api/msd/set_params", query);
  };
  const names = Object.keys(storage.images).sort((a, b) => a.localeCompare(b));
  if (image !== null && !names.includes(image.name)) {
    names.unshift(image.name);
  }
  const reset = async (): Promise<void> => {
    if (
      await session.confirm({ title: words.confirmReset, text: words.confirmResetText, action: words.reset })
    ) {
      await session.act(words.reset, "api/msd/reset", {});
    }
  };
  return (
    <Section title={words.drive} id="drive">
      <p id="drive-state" data-testid="drive-state" data-connected={drive.connected} role="status">
        {drive.connected && image !== null ? words.inserted(image.name, words.kind[kind]) : words.empty}
      </p>
      <Choice
        id="drive-image"
        label={words.image}
        value={image?.name ?? NOTHING}
        options={[[NOTHING, words.none], ...names.map((name) => [name, name] as const)]}
        off={fixed}
        onChange={(name) => set({ image: name })}
      />
      <Choice<Kind>
        id="drive-kind"
        label={words.kindOf}
        value={kind}
        options={(["cdrom", "flash", "writable"] as const).map((name) => [name, words.kind[name]])}
        off={fixed}
        onChange={(chosen) => set({ cdrom: chosen === "cdrom", rw: chosen === "writable" })}
      />
      {image !== null && !image.complete && <p class="complaint">{words.incompleteWarning}</p>}
      {kind === "writable" && image !== null && !image.writable && (
        <p class="complaint">{words.notWritable}</p>
      )}
      <Row>
        {drive.connected ? (
          <Button
            id="drive-eject"
            primary
            off={msd.busy}
            onPress={() => void session.act(words.eject, "api/msd/set_connected", { connected: false })}
          >
            {words.eject}
          </Button>
        ) : (
          <Button
            id="drive-insert"
            primary
            off={msd.busy || image === null}
            onPress={() => void session.act(words.insert, "api/msd/set_connected", { connected: true })}
          >
            {words.insert}
          </Button>
        )}
        <Button id="drive-reset" danger hint={words.resetHint} onPress={() => void reset()}>
          {words.reset}
        </Button>
      </Row>
    </Section>
  );
}
