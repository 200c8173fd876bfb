/** Forgetting everything at the next start; takes the appliance's name. */

import { useEffect, useState } from "preact/hooks";
import { call } from "../../../net/api";
import { text } from "../../../text";
import { useSession } from "../../../ui/context";
import { Button, Empty, Loading, Row, Section, Toggle } from "../../../ui/kit";
import { TextField } from "../../../ui/text_field";
import { Restart } from "./restart";

const PATH = "api/factory_reset";

interface ResetState {
  supported: boolean;
  reason: string;
  host_name: string;
  pending: boolean;
  images: boolean;
}

export function FactoryReset() {
  const session = useSession();
  const words = text.value.maintenance;
  const [state, setState] = useState<ResetState | null>(null);
  const [name, setName] = useState("");
  const [images, setImages] = useState(false);
  const look = async (): Promise<void> => {
    setState(await session.attempt(words.reset, () => call<ResetState>("GET", session.base, PATH)));
  };
  useEffect(() => void look(), [session]);
  const reset = async (): Promise<void> => {
    const question = { title: words.confirmReset, text: words.confirmResetText, action: words.resetDo };
    if (await session.confirm(question)) {
      await session.act(words.reset, PATH, { confirm: name, images: images ? 1 : 0 });
      setName("");
      await look();
    }
  };
  const keep = async (): Promise<void> => {
    await session.attempt(words.keep, () => call("DELETE", session.base, PATH));
    await look();
  };
  return (
    <Section title={words.reset} id="factory-reset">
      {state === null && <Loading />}
      {state?.supported === false && <Empty>{state.reason}</Empty>}
      {state?.supported === true && state.pending && (
        <>
          <p class="complaint" role="status" id="reset-pending">
            {state.images ? words.resetPendingImages : words.resetPending}
          </p>
          <Row>
            <Restart id="reset-restart" />
            <Button id="reset-keep" onPress={() => void keep()}>
              {words.keep}
            </Button>
          </Row>
        </>
      )}
      {state?.supported === true && !state.pending && (
        <>
          <p>{words.resetHint}</p>
          <Toggle id="reset-images" label={words.resetImages} on={images} onChange={setImages} />
          <TextField
            id="reset-confirm"
            label={words.resetConfirm(state.host_name)}
            value={name}
            onText={setName}
          />
          <Row>
            <Button id="reset-do" danger off={name !== state.host_name} onPress={() => void reset()}>
              {words.resetDo}
            </Button>
          </Row>
        </>
      )}
    </Section>
  );
}
