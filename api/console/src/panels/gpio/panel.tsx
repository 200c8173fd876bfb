/**
 * The appliance's GPIO as its configuration draws it (`kvmd/gpio/view`): rows of labels, lamps, switches and
 * buttons. What a part shows is what the appliance says of its channel.
 */

import { go } from "../../state/route";
import type { GpioItem, GpioState } from "../../state/types/gpio";
import { text } from "../../text";
import { useSession } from "../../ui/context";
import { Button, Empty, Loading, Row, Toggle } from "../../ui/kit";
import { Led } from "../../ui/parts";
import { lampOf, titleOf } from "./view";
import "./gpio.css";

type Output = Extract<GpioItem, { type: "output" }>;

function Input({ channel, color, gpio }: { channel: string; color: string; gpio: GpioState }) {
  const state = gpio.state.inputs[channel];
  return (
    <Led
      id={`gpio-${channel}`}
      label={channel}
      lit={state?.online === true ? state.state : null}
      colour={lampOf(color)}
      quiet
    />
  );
}

function OutputPart({ item, gpio }: { item: Output; gpio: GpioState }) {
  const session = useSession();
  const words = text.value.gpio;
  const scheme = gpio.model.scheme.outputs[item.channel];
  const state = gpio.state.outputs[item.channel];
  if (scheme === undefined || state === undefined) {
    return null;
  }
  const off = !state.online || state.busy;

  const act = async (what: string, path: string, query: Record<string, string | number | boolean>) => {
    const sure =
      !item.confirm ||
      (await session.confirm({ title: words.confirmTitle(what), text: words.confirm, action: what }));
    if (!sure) {
      return;
    }
    await session.act(what, path, { channel: item.channel, ...query });
    if (item.hide) {
      go("");
    }
  };
  return (
    <span class="gpio-output" data-online={state.online} data-busy={state.busy}>
      {scheme.switch && (
        <Toggle
          id={`gpio-${item.channel}`}
          label={item.channel}
          quiet
          on={state.state}
          off={off}
          onChange={(on) =>
            void act(on ? words.on(item.channel) : words.off(item.channel), "api/gpio/switch", { state: on })
          }
        />
      )}
      {scheme.pulse.delay > 0 && (
        <Button
          id={`gpio-${item.channel}-pulse`}
          hint={words.pulseHint(item.channel, scheme.pulse.delay)}
          off={off}
          onPress={() => void act(item.text, "api/gpio/pulse", {})}
        >
          {item.text}
        </Button>
      )}
      {!state.online && <small>{words.offline}</small>}
    </span>
  );
}

function Item({ item, gpio }: { item: GpioItem; gpio: GpioState }) {
  switch (item.type) {
    case "label":
      return <span class="gpio-label">{item.text}</span>;
    case "input":
      return <Input channel={item.channel} color={item.color} gpio={gpio} />;
    case "output":
      return <OutputPart item={item} gpio={gpio} />;
  }
}

export default function GpioPanel() {
  const gpio = useSession().appliance.states.gpio.value;
  const words = text.value.gpio;
  if (gpio === null) {
    return <Loading />;
  }
  const { table } = gpio.model.view;
  return (
    <section class="section" id="gpio" aria-label={titleOf(gpio) || words.title}>
      <h3>{titleOf(gpio) || words.title}</h3>
      {table.length === 0 && <Empty>{words.empty}</Empty>}
      {table.map((row, index) =>
        row === null ? (
          <hr key={index} />
        ) : (
          <Row key={index}>
            {row.map((item, place) => (
              <Item key={place} item={item} gpio={gpio} />
            ))}
          </Row>
        ),
      )}
    </section>
  );
}
