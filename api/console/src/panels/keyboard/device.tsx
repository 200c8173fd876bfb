/** The keyboard that the target sees: its kind, its plug, its lock keys. */

import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Choice, Row, Section, Toggle } from "../../ui/kit";

const LOCKS = [
  ["caps", "CapsLock"],
  ["num", "NumLock"],
  ["scroll", "ScrollLock"],
] as const;

export function Device() {
  const session = useSession();
  const words = text.value.macros;
  const hid = session.appliance.states.hid.value;
  if (hid === null) {
    return null;
  }
  const { outputs, leds } = hid.keyboard;
  return (
    <Section title={words.devices}>
      {outputs.available.length > 0 && (
        <Choice
          id="keyboard-output"
          label={words.output}
          value={outputs.active}
          options={outputs.available.map((output) => [output, words.outputs[output] ?? output])}
          onChange={(keyboard_output) =>
            void session.act(words.output, "api/hid/set_params", { keyboard_output })
          }
        />
      )}
      {hid.connected !== null && (
        <Toggle
          id="hid-connected"
          label={words.plugged}
          hint={words.pluggedHint}
          on={hid.connected}
          onChange={(connected) => void session.act(words.plugged, "api/hid/set_connected", { connected })}
        />
      )}
      <div role="group" aria-label={words.locks}>
        <Row>
          {LOCKS.map(([lock, key]) => (
            <Button
              key={lock}
              id={`lock-${lock}`}
              pressed={leds[lock]}
              onPress={() => void session.act(words.locks, "api/hid/events/send_shortcut", { keys: key })}
            >
              {text.value.keyboard[lock]}
            </Button>
          ))}
        </Row>
      </div>
      <Row>
        <Button
          id="hid-reset"
          hint={words.resetHint}
          onPress={() => void session.act(words.reset, "api/hid/reset", {})}
        >
          {words.reset}
        </Button>
      </Row>
    </Section>
  );
}
