/** The console page: header with tools, the screen, the status bar. */

import { useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { makeHealthWatch } from "../panels/system/watch";
import type { Session } from "../session";
import { go, route } from "../state/route";
import type { InfoState } from "../state/types/info";
import { text } from "../text";
import { Connection } from "./connection";
import { SessionContext, useSession } from "./context";
import { CameraIcon, LeaveIcon, Mark } from "./icons";
import { CtrlAltDel } from "./ctrl_alt_del";
import { Confirmation, Notices } from "./messages";
import { ToolButton } from "./parts";
import { OskHost } from "./osk_host";
import { PanelHost, Rail } from "./panel_host";
import { PowerGroup, PowerLeds } from "./power";
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
      title={text.value.screen.snapshotHint}
      onClick={(event) => {
        event.preventDefault();
        void session.saveSnapshot();
      }}
    >
      <CameraIcon />
      <span class="tool-text">{text.value.screen.snapshot}</span>
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
        <span class="brand-name">{text.value.common.product}</span>
        {host !== "" && (
          <span id="host" class="host">
            {host}
          </span>
        )}
      </h1>
      <PowerLeds />
      <Connection />
      <div class="tools">
        <PowerGroup />
        <div class="group">
          <CtrlAltDel />
          <Snapshot />
          <ToolButton
            id="logout"
            hint={text.value.login.logout}
            icon={<LeaveIcon />}
            onPress={() => void session.logOut()}
          >
            {text.value.login.logout}
          </ToolButton>
        </div>
      </div>
    </header>
  );
}

/** What takes the focus when it is clicked: one types into it, chooses in it, or selects its text. */
const TAKES_FOCUS = "input, select, textarea, label, [contenteditable], .selectable";

/** A click on anything else leaves the keyboard where it is, with the target most of the time. */
function keepFocus(event: MouseEvent): void {
  if (event.target instanceof Element && event.target.closest(TAKES_FOCUS) === null) {
    event.preventDefault();
  }
}

/** Files that are dragged over the page open the panel that takes them; dropped elsewhere they do nothing. */
function onFiles(event: DragEvent): void {
  if (event.dataTransfer?.types.includes("Files") === true) {
    event.preventDefault();
    if (event.type === "dragenter" && route.peek().panel !== "drives") {
      go("drives");
    }
  }
}

export function ConsolePage({ session }: { session: Session }) {
  useEffect(() => {
    // Whoever looks at the appliance's health wants to know what it was before.
    session.part(makeHealthWatch);
  }, [session]);
  useSignalEffect(() => {
    const host = hostName(session.appliance.states.info.value);
    const { product } = text.value.common;
    document.title = host === "" ? product : `${host} · ${product}`;
  });
  return (
    <SessionContext.Provider value={session}>
      <div
        class="console"
        onMouseDown={keepFocus}
        onDragEnter={onFiles}
        onDragOver={onFiles}
        onDrop={onFiles}
        data-panel={route.value.panel}
      >
        <Header />
        <Rail />
        <PanelHost />
        <OskHost />
        <StatusBar />
        {/* Last, wherever it stands: it keeps the Tab key for the target. */}
        <Screen />
      </div>
      <Notices />
      <Confirmation />
    </SessionContext.Provider>
  );
}
