/** The button that restarts the appliance, where it can. */

import { text } from "../../../text";
import { useSession } from "../../../ui/context";
import { Button } from "../../../ui/kit";

export function Restart({ id }: { id: string }) {
  const session = useSession();
  const words = text.value.maintenance;
  const restart = async (): Promise<void> => {
    const question = {
      title: words.confirmRestart,
      text: words.confirmRestartText,
      action: words.restart,
    };
    if (await session.confirm(question)) {
      await session.act(words.restart, "api/update/restart", {});
    }
  };
  if (session.appliance.states.update.value?.supported !== true) {
    return <p>{words.restartYourself}</p>;
  }
  return (
    <Button id={id} primary onPress={() => void restart()}>
      {words.restart}
    </Button>
  );
}
