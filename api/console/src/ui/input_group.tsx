/** What the tool bar offers for keyboard and mouse. */

import { text } from "../text";
import { useSession } from "./context";
import { KeysIcon } from "./icons";
import { ToolButton } from "./parts";

const CTRL_ALT_DEL = "ControlLeft,AltLeft,Delete";

/** A choice of the mouse, if the appliance has several; the present one's name otherwise. */
function MouseMode() {
  const session = useSession();
  const words = text.value.mouse;
  const mouse = session.appliance.states.hid.value?.mouse;
  if (mouse === undefined || mouse.outputs.available.length === 0) {
    return null;
  }
  return (
    <label class="choice">
      <span class="tool-text">{words.mode}</span>
      <select
        id="mouse-mode"
        data-testid="mouse-mode"
        value={mouse.outputs.active}
        onChange={(event) => {
          const mouse_output = event.currentTarget.value;
          // What is shown is what the appliance says, so an unsuccessful change jumps back.
          event.currentTarget.value = mouse.outputs.active;
          void session.act(words.mode, "api/hid/set_params", { mouse_output });
        }}
      >
        {mouse.outputs.available.map((output) => (
          <option key={output} value={output}>
            {words.output[output] ?? output}
          </option>
        ))}
      </select>
    </label>
  );
}

export function InputGroup() {
  const session = useSession();
  const words = text.value.keyboard;
  return (
    <fieldset class="group" id="input">
      <legend class="unseen">{words.group}</legend>
      <ToolButton
        id="cad"
        hint={words.cadHint}
        icon={<KeysIcon />}
        off={session.control.status.value.phase !== "online"}
        onPress={() => void session.act(words.cad, "api/hid/events/send_shortcut", { keys: CTRL_ALT_DEL })}
      >
        {words.cad}
      </ToolButton>
      <MouseMode />
    </fieldset>
  );
}
