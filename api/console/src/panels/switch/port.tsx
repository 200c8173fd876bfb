/** One port of the switch: its lamps and buttons, and behind "settings" what the switch keeps of it. */

import { useState } from "preact/hooks";
import type { AtxButton, SwitchPort, SwitchState } from "../../state/types/switch";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Choice, Field, Row, Slider, Toggle } from "../../ui/kit";
import { Led } from "../../ui/parts";
import { edidNames, portName } from "./words";

interface PortProps {
  port: SwitchPort;
  /** The virtual port: its place in all arrays of the state. */
  index: number;
  state: SwitchState;
}

const DELAYS: readonly AtxButton[] = ["power", "power_long", "reset"];

/** What asks first, and with which words. */
function usePower({ port, index, state }: PortProps) {
  const session = useSession();
  const words = text.value.kvm_switch;
  const name = portName(port);
  const send = (button: AtxButton, what: string): Promise<void> =>
    session.act(`${name}: ${what}`, "api/switch/atx/click", { port: index, button });
  return {
    busy: state.atx.busy[index] ?? false,
    press: () => void send("power", words.power),
    hold: async () => {
      const title = words.confirmHold(name);
      if (await session.confirm({ title, text: words.confirmHoldText, action: words.hold })) {
        await send("power_long", words.hold);
      }
    },
    reset: async () => {
      const title = words.confirmReset(name);
      if (await session.confirm({ title, text: words.confirmResetText, action: words.reset })) {
        await send("reset", words.reset);
      }
    },
  };
}

function Settings({ port, index, state }: PortProps) {
  const session = useSession();
  const words = text.value.kvm_switch;
  const change = (query: Record<string, string | number | boolean>): void => {
    void session.act(words.settings, "api/switch/set_port_params", { port: index, ...query });
  };
  const id = `switch-port-${index}`;
  return (
    <div class="switch-settings">
      <Field id={`${id}-name`} label={words.name} hint={words.nameHint}>
        {(props) => (
          <input
            id={props.id}
            data-testid={props.id}
            aria-describedby={props.describedBy}
            maxLength={255}
            value={port.name}
            onChange={(event) => change({ name: event.currentTarget.value })}
          />
        )}
      </Field>
      <Choice
        id={`${id}-edid`}
        label={words.edid}
        value={state.edids.used[index] ?? "default"}
        options={edidNames(state)}
        onChange={(edid_id) => change({ edid_id })}
      />
      <Toggle
        id={`${id}-dummy`}
        label={words.dummy}
        hint={words.dummyHint}
        on={port.video.dummy}
        onChange={(dummy) => change({ dummy })}
      />
      {DELAYS.map((button) => {
        const { min, max } = state.model.limits.atx.click_delays[button];
        return (
          <Slider
            key={button}
            id={`${id}-delay-${button}`}
            label={words.delay[button]}
            value={port.atx.click_delays[button]}
            min={min}
            max={max}
            step={0.1}
            format={(seconds) => words.seconds(seconds)}
            onChange={(seconds) => change({ [`atx_click_${button}_delay`]: seconds })}
          />
        );
      })}
    </div>
  );
}

export function Port(props: PortProps) {
  const { port, index, state } = props;
  const session = useSession();
  const words = text.value.kvm_switch;
  const [open, setOpen] = useState(false);
  const power = usePower(props);
  const active = state.summary.active_port === index;
  const beacon = state.beacons.ports[index] ?? false;
  const id = `switch-port-${index}`;
  return (
    <li class="switch-port" id={id} data-testid={id} data-active={active}>
      <Row>
        <Button
          id={`${id}-select`}
          hint={words.select(portName(port))}
          pressed={active}
          onPress={() =>
            void session.act(words.select(portName(port)), "api/switch/set_active", { port: index })
          }
        >
          {port.id}
        </Button>
        <strong class="switch-name">{portName(port)}</strong>
        <Button
          id={`${id}-beacon`}
          pressed={beacon}
          hint={words.beaconHint}
          onPress={() =>
            void session.act(words.beacon, "api/switch/set_beacon", { port: index, state: !beacon })
          }
        >
          {words.beacon}
        </Button>
      </Row>
      <Row>
        <Led id={`${id}-video`} label={words.video} lit={state.video.links[index] ?? null} colour="green" />
        <Led id={`${id}-usb`} label={words.usb} lit={state.usb.links[index] ?? null} colour="green" />
        <Led
          id={`${id}-power`}
          label={words.powerLed}
          lit={state.atx.leds.power[index] ?? null}
          colour="green"
        />
        <Led id={`${id}-hdd`} label={words.hddLed} lit={state.atx.leds.hdd[index] ?? null} colour="amber" />
      </Row>
      <Row>
        <Button id={`${id}-press`} off={power.busy} onPress={power.press}>
          {words.power}
        </Button>
        <Button id={`${id}-hold`} danger off={power.busy} onPress={() => void power.hold()}>
          {words.hold}
        </Button>
        <Button id={`${id}-reset`} danger off={power.busy} onPress={() => void power.reset()}>
          {words.reset}
        </Button>
        <button
          type="button"
          id={`${id}-settings`}
          data-testid={`${id}-settings`}
          class="tool"
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {words.settings}
        </button>
      </Row>
      {open && <Settings {...props} />}
    </li>
  );
}
