/** The console page: header with tools, the screen, the status bar. */

import { useSignalEffect } from "@preact/signals";
import type { Session } from "../session";
import type { InfoState } from "../state/types";
import { text } from "../text";
import { Connection } from "./connection";
import { SessionContext, useSession } from "./context";
import { CameraIcon, LeaveIcon, Mark } from "./icons";
import { InputGroup } from "./input_group";
import { Confirmation, Notices } from "./messages";
import { ToolButton } from "./parts";
import { PowerGroup } from "./power";
import { Screen } from "./screen";
import { StatusBar } from "./status_bar";

/** The name people gave the appliance, else its host name. */
function hostName(info: InfoState | null): string {
  const names = [info?.meta?.server?.host, info?.node?.host];
  return names.find((name): name is string => typeof name === "string" && name !== "") ?? "";
}

function Snapshot() {
  const session = useSession();
  return (
    <a
      id="snapshot"
      data-testid="snapshot"
      class="tool"
      href={session.snapshotUrl}
      title={text.value.snapshotHint}
      onClick={(event) => {
        event.preventDefault();
        void session.saveSnapshot();
      }}
    >
      <CameraIcon />
      <span class="tool-text">{text.value.snapshot}</span>
    </a>
  );
}

function Header() {
  const session = useSession();
  const host = hostName(session.appliance.states.info.value);
  return (
    <header class="header">
      <h1 class="brand">
        <Mark />
        <span class="brand-name">{text.value.product}</span>
        {host !== "" && (
          <span id="host" class="host">
            {host}
          </span>
        )}
      </h1>
      <Connection />
      <div class="tools">
        <PowerGroup />
        <InputGroup />
        <div class="group">
          <Snapshot />
          <ToolButton
            id="logout"
            hint={text.value.logout}
            icon={<LeaveIcon />}
            onPress={() => void session.logOut()}
          >
            {text.value.logout}
          </ToolButton>
        </div>
      </div>
    </header>
  );
}

/** A click on anything but the screen leaves the keyboard where it is; a choice needs the focus to open. */
function keepFocus(event: MouseEvent): void {
  if (!(event.target instanceof HTMLSelectElement)) {
    event.preventDefault();
  }
}

export function ConsolePage({ session }: { session: Session }) {
  useSignalEffect(() => {
    const host = hostName(session.appliance.states.info.value);
    document.title = host === "" ? text.value.product : `${host} · ${text.value.product}`;
  });
  return (
    <SessionContext.Provider value={session}>
      <div class="console" onMouseDown={keepFocus}>
        <Header />
        <Screen />
        <StatusBar />
      </div>
      <Notices />
      <Confirmation />
    </SessionContext.Provider>
  );
}
