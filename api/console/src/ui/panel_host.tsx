/** The rail with a button for each panel, and the panel that is open. */

import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { go, route } from "../state/route";
import { text } from "../text";
import { useSession } from "./context";
import { CloseIcon } from "./icons";
import { Button, Loading } from "./kit";
import { PANELS, type Panel } from "./panels";

function focusScreen(): void {
  document.getElementById("screen")?.focus({ preventScroll: true });
}

function close(): void {
  go("");
  focusScreen();
}

/** The panel's own part, loaded when it is first shown; without a network it can be tried again. */
function Content({ panel }: { panel: Panel }) {
  const [state, setState] = useState<{ part: ComponentType | null; failed: boolean }>({
    part: null,
    failed: false,
  });
  const load = (): void => {
    setState({ part: null, failed: false });
    panel.load().then(
      (module) => setState({ part: module.default, failed: false }),
      () => setState({ part: null, failed: true }),
    );
  };
  // The host gives each panel a component of its own, by its key.
  useEffect(load, []);
  if (state.failed) {
    return (
      <div class="section">
        <p role="alert">{text.value.common.failedToLoad}</p>
        <Button onPress={load}>{text.value.common.retry}</Button>
      </div>
    );
  }
  const Part = state.part;
  return Part === null ? <Loading /> : <Part />;
}

export function Rail() {
  const session = useSession();
  const { rail, title } = text.value.panels;
  return (
    <nav class="rail" aria-label={rail}>
      {PANELS.filter((panel) => panel.isOffered(session)).map((panel) => {
        const isOpen = route.value.panel === panel.name;
        return (
          <button
            type="button"
            key={panel.name}
            id={`rail-${panel.name}`}
            data-testid={`rail-${panel.name}`}
            class="rail-button"
            aria-expanded={isOpen}
            aria-controls={isOpen ? "panel" : undefined}
            onClick={() => (isOpen ? close() : go(panel.name))}
          >
            <panel.icon />
            <span>{title[panel.name]}</span>
          </button>
        );
      })}
    </nav>
  );
}

export function PanelHost() {
  const session = useSession();
  const heading = useRef<HTMLHeadingElement>(null);
  const panel = PANELS.find(({ name, isOffered }) => name === route.value.panel && isOffered(session));
  const name = panel?.name;
  useEffect(() => {
    // Opened from the keyboard it takes the focus; by a click the keyboard stays with the target.
    if (name !== undefined && document.activeElement?.id === `rail-${name}`) {
      heading.current?.focus();
    }
  }, [name]);
  if (panel === undefined) {
    return null;
  }
  return (
    <aside
      id="panel"
      data-testid="panel"
      class="panel"
      data-panel={panel.name}
      aria-labelledby="panel-title"
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.defaultPrevented) {
          close();
        }
      }}
    >
      <header class="panel-head">
        <h2 id="panel-title" tabIndex={-1} ref={heading}>
          {text.value.panels.title[panel.name]}
        </h2>
        <button
          type="button"
          id="panel-close"
          data-testid="panel-close"
          class="tool bare"
          aria-label={text.value.common.close}
          title={text.value.common.close}
          onClick={close}
        >
          <CloseIcon />
        </button>
      </header>
      <div class="panel-body">
        <Content key={panel.name} panel={panel} />
      </div>
    </aside>
  );
}
