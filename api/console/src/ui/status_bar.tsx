/** The line below the screen: mode, rate, viewers, lock keys, and where the input goes. */

import { text } from "../text";
import { ActivityBar } from "./activity_bar";
import { useSession } from "./context";
import { OskButton } from "./osk_host";
import { Led } from "./parts";

function Video() {
  const session = useSession();
  const words = text.value.screen;
  const size = session.video.size.value;
  const choice = session.video.choice.value;
  const reading = session.video.reading.value;
  const viewers = session.appliance.states.clients.value?.count ?? 0;
  return (
    <span class="facts">
      {size !== null && <span id="video-mode">{words.mode(size.width, size.height)}</span>}
      {choice !== null && (
        <span
          id="video-transport"
          title={choice.hindrance === null ? undefined : words.hindrance[choice.hindrance]}
        >
          {words.transport[choice.transport]}
        </span>
      )}
      {size !== null && reading !== null && <span id="video-fps">{words.fps(reading.fps)}</span>}
      {size !== null && reading !== null && reading.kbps > 0 && (
        <span id="video-rate">{words.rate(reading.kbps)}</span>
      )}
      {reading !== null && reading.captureToPaintMs !== null && (
        <span
          id="video-latency"
          title={words.stages(reading.encodedMs ?? 0, reading.sentMs ?? 0, reading.shownMs ?? 0)}
        >
          {words.latency(reading.captureToPaintMs)}
        </span>
      )}
      {viewers > 0 && <span id="viewers">{words.viewers(viewers)}</span>}
    </span>
  );
}

function LockKeys() {
  const words = text.value.keyboard;
  const session = useSession();
  const online = session.control.status.value.phase === "online";
  const leds = online ? session.appliance.states.hid.value?.keyboard.leds : undefined;
  return (
    <span class="leds" role="group" aria-label={words.leds}>
      <Led id="led-caps" label={words.caps} lit={leds?.caps ?? null} colour="blue" />
      <Led id="led-num" label={words.num} lit={leds?.num ?? null} colour="blue" />
      <Led id="led-scroll" label={words.scroll} lit={leds?.scroll ?? null} colour="blue" />
    </span>
  );
}

function InputHint() {
  const session = useSession();
  const { keyboard, mouse } = text.value;
  const hid = session.appliance.states.hid.value;
  const words = [session.captured.value ? keyboard.captured : keyboard.released];
  if (hid !== null && !hid.keyboard.online) {
    words[0] = keyboard.offline;
  }
  if (!session.rights.may("type")) {
    words[0] = session.rights.may("point") ? keyboard.pointOnly : keyboard.watchOnly;
  }
  if (hid !== null && !hid.mouse.absolute) {
    words.push(session.caught.value ? mouse.caught : mouse.catchHint);
  }
  return (
    <span id="input-hint" data-testid="input-hint" class="hint" data-captured={session.captured.value}>
      {words.map((word) => (
        <span key={word}>{word}</span>
      ))}
    </span>
  );
}

export function StatusBar() {
  return (
    <footer class="status-bar">
      <Video />
      <ActivityBar />
      <InputHint />
      <LockKeys />
      <OskButton />
    </footer>
  );
}
