/** How this reader sees the picture, and what to do with it. */

import { ROTATIONS } from "../../hid/geometry";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { canLockKeys, enterFullScreen } from "../../ui/full_screen";
import { Button, Choice, Row, Section } from "../../ui/kit";
import { canFloat, float } from "../../video/floating";
import { canRecord, makeRecording } from "../../video/recording";
import { rotation, type Scale, scale, wish } from "../../video/view";

export function ViewSection() {
  const session = useSession();
  const words = text.value.video;
  const recording = session.part(makeRecording);
  const copy = async (): Promise<void> => {
    const shown = session.video.shown;
    if (shown === null) {
      session.notify(words.noPicture);
      return;
    }
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [
      session.video.size.peek()?.width ?? 0,
      session.video.size.peek()?.height ?? 0,
    ];
    canvas.getContext("2d")?.drawImage(shown, 0, 0);
    const picture = new Promise<Blob>((resolve, reject) =>
      canvas.toBlob(
        (blob) => (blob === null ? reject(new Error(words.noPicture)) : resolve(blob)),
        "image/png",
      ),
    );
    const done = await session.attempt(words.copy, () =>
      navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]).then(() => true),
    );
    if (done === true) {
      session.notify(words.copied);
    }
  };
  return (
    <Section title={words.view}>
      <Choice<Scale>
        id="view-scale"
        label={words.scale}
        value={scale.value}
        options={[
          ["fit", words.scales.fit],
          ["actual", words.scales.actual],
        ]}
        onChange={(chosen) => {
          scale.value = chosen;
        }}
      />
      <div role="group" aria-label={words.rotation}>
        <Row>
          {ROTATIONS.map((degrees) => (
            <Button
              key={degrees}
              id={`rotate-${degrees}`}
              pressed={rotation.value === degrees}
              onPress={() => {
                rotation.value = degrees;
              }}
            >
              {words.degrees(degrees)}
            </Button>
          ))}
        </Row>
      </div>
      <Row>
        <Button
          id="full-screen"
          hint={canLockKeys() ? words.fullScreenHint : words.fullScreenHintPlain}
          onPress={() => void enterFullScreen().catch(() => session.notify(words.noFullScreen))}
        >
          {words.fullScreen}
        </Button>
        {canFloat() && (
          <Button id="float" onPress={() => void float(session).catch(() => session.notify(words.noFloat))}>
            {words.float}
          </Button>
        )}
        {typeof ClipboardItem === "function" && (
          <Button id="copy-picture" onPress={() => void copy()}>
            {words.copy}
          </Button>
        )}
        {canRecord() && (
          <Button
            id="record"
            hint={words.recordHint}
            pressed={recording.since.value !== null}
            onPress={() => {
              if (recording.since.peek() !== null) {
                recording.stop();
              } else if (!recording.start()) {
                session.notify(words.noPicture);
              }
            }}
          >
            {recording.since.value === null ? words.record : words.stopRecording}
          </Button>
        )}
      </Row>
    </Section>
  );
}

export function TransportSection() {
  const session = useSession();
  const words = text.value.video;
  const { screen } = text.value;
  const choice = session.video.choice.value;
  const hindrance = choice?.hindrance ?? null;
  return (
    <Section title={words.transport}>
      <Choice
        id="transport-wish"
        label={words.way}
        value={wish.value}
        options={[
          ["auto", words.wishes.auto],
          ["h264", words.wishes.h264],
          ["jpeg", words.wishes.jpeg],
          ["mjpeg", words.wishes.mjpeg],
        ]}
        onChange={(chosen) => {
          wish.value = chosen;
        }}
      />
      {choice !== null && (
        <p id="transport-now" role="status">
          {words.now(screen.transport[choice.transport])}{" "}
          {hindrance === null ? "" : screen.hindrance[hindrance]}
        </p>
      )}
      <Row>
        <Button id="transport-again" onPress={() => session.video.again()}>
          {words.again}
        </Button>
      </Row>
    </Section>
  );
}
