/** The images of the storage, and how much room is left. */

import { useState } from "preact/hooks";
import { endpoint } from "../../net/urls";
import type { Image, MsdState } from "../../state/types/msd";
import { text } from "../../text";
import { bytes } from "../../text/units";
import { useSession } from "../../ui/context";
import { Button, Empty, Progress, Row, Section } from "../../ui/kit";
import { makeJobs } from "./jobs";

function factsOf(image: Image): string {
  const words = text.value.drives;
  const facts = [
    bytes(image.size, words.decimal),
    new Date(image.mod_ts * 1_000).toLocaleString(words.locale),
  ];
  if (!image.complete) {
    facts.push(words.incomplete);
  }
  if (image.verified === true) {
    facts.push(words.verified);
  } else if (image.verified === false) {
    facts.push(words.damaged);
  }
  return facts.join(" · ");
}

function ImageItem({ name, image, msd }: { name: string; image: Image; msd: MsdState }) {
  const session = useSession();
  const words = text.value.drives;
  const jobs = session.part(makeJobs);
  const [open, setOpen] = useState(false);
  const busy = msd.busy || msd.drive?.connected === true;
  const id = `image-${name}`;
  const remove = async (): Promise<void> => {
    const title = words.confirmRemove(name);
    if (await session.confirm({ title, text: words.confirmRemoveText, action: words.remove })) {
      await session.act(words.remove, "api/msd/remove", { image: name });
    }
  };
  return (
    <li class="image" data-testid={id} data-complete={image.complete} data-damaged={image.verified === false}>
      <button
        type="button"
        class="image-name"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        data-testid={`${id}-open`}
      >
        <strong>{name}</strong>
        <small>{factsOf(image)}</small>
      </button>
      {open && (
        <>
          {typeof image.sha256 === "string" && (
            <p class="digest selectable">
              SHA-256 <code>{image.sha256}</code>
            </p>
          )}
          <Row>
            {busy ? (
              <Button off hint={words.whileBusy} onPress={() => undefined}>
                {words.download}
              </Button>
            ) : (
              <a
                class="tool"
                data-testid={`${id}-download`}
                href={endpoint(session.base, "api/msd/read", { image: name })}
                download={name.split("/").at(-1)}
              >
                {words.download}
              </a>
            )}
            <Button
              id={`${id}-verify`}
              hint={words.verifyHint}
              off={msd.busy}
              onPress={() => void jobs.run(words.verifying(name), "api/msd/verify", { image: name })}
            >
              {words.verify}
            </Button>
            <Button id={`${id}-remove`} danger off={busy || !image.removable} onPress={() => void remove()}>
              {words.remove}
            </Button>
          </Row>
        </>
      )}
    </li>
  );
}

/** Something that the appliance tells of by its state, whoever began it. */
function Going({ msd }: { msd: MsdState }) {
  const words = text.value.drives;
  const { uploading = null, downloading = null, verifying = null } = msd.storage ?? {};
  const share = (done: number, size: number): number | null => (size === 0 ? null : done / size);
  const detail = (done: number, size: number): string =>
    words.of(bytes(done, words.decimal), bytes(size, words.decimal));
  return (
    <>
      {uploading !== null && (
        <Progress
          id="storage-uploading"
          label={words.comingIn(uploading.name)}
          share={share(uploading.written, uploading.size)}
          detail={detail(uploading.written, uploading.size)}
        />
      )}
      {downloading !== null && (
        <Progress
          id="storage-downloading"
          label={words.goingOut(downloading.name)}
          share={share(downloading.readed, downloading.size)}
          detail={detail(downloading.readed, downloading.size)}
        />
      )}
      {verifying !== null && (
        <Progress
          id="storage-verifying"
          label={words.verifying(verifying.name)}
          share={share(verifying.readed, verifying.size)}
          detail={detail(verifying.readed, verifying.size)}
        />
      )}
    </>
  );
}

export function Images({ msd }: { msd: MsdState }) {
  const words = text.value.drives;
  const { storage } = msd;
  if (storage === null) {
    return null;
  }
  const images = Object.entries(storage.images).sort(([a], [b]) => a.localeCompare(b));
  return (
    <Section title={words.images} id="images">
      {Object.entries(storage.parts).map(([path, { size, free, writable }]) => (
        <Progress
          key={path}
          id={`part-${path}`}
          label={path === "" ? words.storage : path}
          share={size === 0 ? 0 : (size - free) / size}
          detail={
            words.free(bytes(free, words.decimal), bytes(size, words.decimal)) +
            (writable ? "" : words.readOnly)
          }
        />
      ))}
      <Going msd={msd} />
      {images.length === 0 && <Empty>{words.noImages}</Empty>}
      <ul class="plain-list">
        {images.map(([name, image]) => (
          <ImageItem key={name} name={name} image={image} msd={msd} />
        ))}
      </ul>
    </Section>
  );
}
