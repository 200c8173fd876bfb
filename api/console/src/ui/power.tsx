/** The target's front panel: its lamps and buttons. */

import type { Session } from "../session";
import type { AtxState } from "../state/types/atx";
import { text } from "../text";
import { useSession } from "./context";
import { HoldIcon, PowerIcon, ResetIcon } from "./icons";
import { Led, ToolButton } from "./parts";

/** The state of the panel; null while there is none to speak of. */
function panelOf(session: Session): AtxState | null {
  const atx = session.appliance.states.atx.value;
  return atx?.enabled === true && session.control.status.value.phase === "online" ? atx : null;
}

export function PowerLeds() {
  const words = text.value.power;
  const leds = panelOf(useSession())?.leds;
  return (
    <span class="leds" role="group" aria-label={words.leds}>
      <Led id="led-power" label={words.powerLed} lit={leds?.power ?? null} colour="green" />
      <Led id="led-hdd" label={words.hddLed} lit={leds?.hdd ?? null} colour="amber" />
    </span>
  );
}

export function PowerGroup() {
  const session = useSession();
  const words = text.value.power;
  const atx = panelOf(session);
  const off = atx === null || !session.rights.may("power");

  const click = (button: string, name: string): void => {
    void session.act(name, "api/atx/click", { button });
  };
  const clickIfSure = async (
    button: string,
    name: string,
    title: string,
    explanation: string,
    action: string,
  ) => {
    if (await session.confirm({ title, text: explanation, action })) {
      click(button, name);
    }
  };

  return (
    <fieldset class="group" id="power">
      <legend class="unseen">{words.group}</legend>
      <ToolButton
        id="atx-power"
        hint={words.shortHint}
        icon={<PowerIcon />}
        off={off || atx.acts.power}
        onPress={() => click("power", words.short)}
      >
        {words.short}
      </ToolButton>
      <ToolButton
        id="atx-power-long"
        hint={words.longHint}
        icon={<HoldIcon />}
        danger
        off={off || atx.acts.power}
        onPress={() =>
          void clickIfSure(
            "power_long",
            words.long,
            words.confirmLongTitle,
            words.confirmLong,
            words.confirmLongDo,
          )
        }
      >
        {words.long}
      </ToolButton>
      <ToolButton
        id="atx-reset"
        hint={words.resetHint}
        icon={<ResetIcon />}
        danger
        off={off || atx.acts.reset}
        onPress={() =>
          void clickIfSure(
            "reset",
            words.reset,
            words.confirmResetTitle,
            words.confirmReset,
            words.confirmResetDo,
          )
        }
      >
        {words.reset}
      </ToolButton>
    </fieldset>
  );
}
