/** The form of a new token or share link. */

import { useState } from "preact/hooks";
import { call } from "../../../net/api";
import type { Capability } from "../../../state/rights";
import { text } from "../../../text";
import { relative } from "../../../text/units";
import { useSession } from "../../../ui/context";
import { Button, Choice, Row, Toggle } from "../../../ui/kit";
import { TextField } from "../../../ui/text_field";
import type { Kind, Made } from "./types";

const NEVER = "never";
const DAY_S = 86_400;
const LIFETIMES: Readonly<Record<Kind, readonly string[]>> = {
  tokens: [...[7, 30, 90, 365].map((days) => String(days * DAY_S)), NEVER],
  shares: ["900", "3600", "28800", String(DAY_S), String(7 * DAY_S)],
};
const USUAL: Readonly<Record<Kind, string>> = { tokens: String(90 * DAY_S), shares: "3600" };
const ALL: readonly Capability[] = ["view", "type", "point", "power", "media", "gpio", "switch", "admin"];

interface MakeProps {
  kind: Kind;
  onMade: (made: Made) => void;
  onCancel: () => void;
}

export function MakeGrant({ kind, onMade, onCancel }: MakeProps) {
  const session = useSession();
  const words = text.value.access;
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<ReadonlySet<Capability>>(new Set(["view"] as const));
  const [expire, setExpire] = useState(USUAL[kind]);
  const action = kind === "tokens" ? words.makeToken : words.makeShare;
  // No link has the right of administrators, which the appliance would refuse.
  const offered = ALL.filter((one) => session.rights.may(one) && !(kind === "shares" && one === "admin"));
  const make = async (): Promise<void> => {
    if (chosen.size === 0) {
      session.notify(words.nothingChosen);
      return;
    }
    const query = {
      [kind === "tokens" ? "name" : "label"]: name,
      capabilities: [...chosen].join(","),
      expire,
    };
    const made = await session.attempt(action, () =>
      call<Made>("POST", session.base, `api/auth/${kind}`, query),
    );
    if (made !== null) {
      onMade(made);
    }
  };
  const { lang } = document.documentElement;
  return (
    <form
      class="section"
      onSubmit={(event) => {
        event.preventDefault();
        void make();
      }}
    >
      <TextField
        id={`${kind}-name`}
        label={kind === "tokens" ? words.tokenName : words.shareLabel}
        required={kind === "tokens"}
        value={name}
        onText={setName}
      />
      <fieldset class="section">
        <legend>{words.may}</legend>
        {offered.map((one) => (
          <Toggle
            key={one}
            id={`${kind}-may-${one}`}
            label={words.capabilities[one] ?? one}
            on={chosen.has(one)}
            onChange={(on) => {
              const next = new Set(chosen);
              if (on) {
                next.add(one);
              } else {
                next.delete(one);
              }
              setChosen(next);
            }}
          />
        ))}
      </fieldset>
      <Choice
        id={`${kind}-expire`}
        label={words.ends}
        value={expire}
        options={LIFETIMES[kind].map((one) => [
          one,
          one === NEVER ? words.never : relative(Number(one), lang),
        ])}
        onChange={setExpire}
      />
      <Row>
        <button type="submit" id={`${kind}-submit`} data-testid={`${kind}-submit`} class="tool primary">
          {action}
        </button>
        <Button onPress={onCancel}>{text.value.common.cancel}</Button>
      </Row>
    </form>
  );
}
