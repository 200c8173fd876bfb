/** The mouse: which kind the target sees. */

import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Choice, Section } from "../../ui/kit";

export default function MousePanel() {
  const session = useSession();
  const words = text.value.mouse;
  const outputs = session.appliance.states.hid.value?.mouse.outputs;
  return (
    <Section title={words.mode}>
      {outputs !== undefined && outputs.available.length > 0 && (
        <Choice
          id="mouse-mode"
          label={words.mode}
          value={outputs.active}
          options={outputs.available.map((output) => [output, words.output[output] ?? output])}
          onChange={(mouse_output) => void session.act(words.mode, "api/hid/set_params", { mouse_output })}
        />
      )}
    </Section>
  );
}
