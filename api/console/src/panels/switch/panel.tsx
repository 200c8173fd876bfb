/** The KVM switch: its ports, units, EDIDs and the colours of its lamps. */

import { COLOUR_ROLES, type SwitchState } from "../../state/types/switch";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Field, Loading, Row, Section } from "../../ui/kit";
import { Edids } from "./edids";
import { Port } from "./port";
import { colourParam, hexOf } from "./words";
import "./switch.css";

function Ports({ state }: { state: SwitchState }) {
  const session = useSession();
  const words = text.value.kvm_switch;
  return (
    <Section title={words.ports}>
      <Row>
        <Button
          id="switch-prev"
          onPress={() => void session.act(words.previous, "api/switch/set_active_prev", {})}
        >
          {words.previous}
        </Button>
        <Button
          id="switch-next"
          onPress={() => void session.act(words.next, "api/switch/set_active_next", {})}
        >
          {words.next}
        </Button>
        <span role="status">{state.summary.synced ? "" : words.notSynced}</span>
      </Row>
      <ul class="plain-list">
        {state.model.ports.map((port, index) => (
          <Port key={port.id} port={port} index={index} state={state} />
        ))}
      </ul>
    </Section>
  );
}

/** A beacon of a unit's own cable, up or down. */
function LinkBeacon({ unit, way, lit }: { unit: number; way: "uplink" | "downlink"; lit: boolean }) {
  const session = useSession();
  const words = text.value.kvm_switch;
  return (
    <Button
      id={`switch-${way}-${unit}`}
      pressed={lit}
      onPress={() => void session.act(words.beacon, "api/switch/set_beacon", { [way]: unit, state: !lit })}
    >
      {words[way]}
    </Button>
  );
}

function Units({ state }: { state: SwitchState }) {
  const session = useSession();
  const words = text.value.kvm_switch;
  const reset = async (unit: number): Promise<void> => {
    const title = words.confirmResetUnit(unit + 1);
    if (await session.confirm({ title, text: words.confirmResetUnitText, action: words.resetUnit })) {
      await session.act(words.resetUnit, "api/switch/reset", { unit });
    }
  };
  return (
    <Section title={words.units}>
      <ul class="plain-list">
        {state.model.units.map(({ firmware }, unit) => (
          <li key={unit} id={`switch-unit-${unit}`}>
            <Row>
              <strong>{words.unit(unit + 1)}</strong>
              <span class="empty">{words.firmware(firmware.version, firmware.devbuild)}</span>
            </Row>
            <Row>
              <LinkBeacon unit={unit} way="uplink" lit={state.beacons.uplinks[unit] ?? false} />
              <LinkBeacon unit={unit} way="downlink" lit={state.beacons.downlinks[unit] ?? false} />
              <Button id={`switch-unit-${unit}-reset`} danger onPress={() => void reset(unit)}>
                {words.resetUnit}
              </Button>
            </Row>
          </li>
        ))}
      </ul>
    </Section>
  );
}

function Colours({ state }: { state: SwitchState }) {
  const session = useSession();
  const words = text.value.kvm_switch;
  return (
    <Section title={words.colours}>
      {COLOUR_ROLES.map((role) => (
        <Row key={role}>
          <Field id={`switch-colour-${role}`} label={words.role[role]}>
            {(props) => (
              <input
                type="color"
                id={props.id}
                data-testid={props.id}
                value={hexOf(state.colors[role])}
                onChange={(event) =>
                  void session.act(words.colours, "api/switch/set_colors", {
                    [role]: colourParam(event.currentTarget.value, state.colors[role]),
                  })
                }
              />
            )}
          </Field>
          <Button
            onPress={() => void session.act(words.colours, "api/switch/set_colors", { [role]: "default" })}
          >
            {words.defaultColour}
            <span class="unseen"> {words.role[role]}</span>
          </Button>
        </Row>
      ))}
    </Section>
  );
}

export default function SwitchPanel() {
  const state = useSession().appliance.states.switch.value;
  if (state === null) {
    return <Loading />;
  }
  return (
    <>
      <Ports state={state} />
      <Units state={state} />
      <Edids state={state} />
      <Colours state={state} />
    </>
  );
}
