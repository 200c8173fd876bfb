/** The three keys that people open a console for. */

import { text } from "../text";
import { useSession } from "./context";
import { KeysIcon } from "./icons";
import { ToolButton } from "./parts";

const CTRL_ALT_DEL = "ControlLeft,AltLeft,Delete";

export function CtrlAltDel() {
  const session = useSession();
  const words = text.value.keyboard;
  return (
    <ToolButton
      id="cad"
      hint={words.cadHint}
      icon={<KeysIcon />}
      off={session.control.status.value.phase !== "online" || !session.rights.may("type")}
      onPress={() => void session.act(words.cad, "api/hid/events/send_shortcut", { keys: CTRL_ALT_DEL })}
    >
      {words.cad}
    </ToolButton>
  );
}
