/** The System panel: the appliance itself, in pages with addresses of their own. */

import type { ComponentType } from "preact";
import { lazy, Suspense } from "preact/compat";
import { go, route } from "../../state/route";
import { text } from "../../text";
import type { Catalogue } from "../../text/en";
import { Loading } from "../../ui/kit";
import OverviewPage from "./overview";
import "./system.css";

type PageName = keyof Catalogue["system"]["pages"];

const PAGES: Readonly<Record<PageName, ComponentType>> = {
  overview: OverviewPage,
  health: lazy(() => import("./health")),
  log: lazy(() => import("./log")),
  sessions: lazy(() => import("./sessions")),
  snapshots: lazy(() => import("./snapshots")),
  settings: lazy(() => import("./settings")),
};

function isPage(name: string): name is PageName {
  return name in PAGES;
}

export default function SystemPanel() {
  const words = text.value.system.pages;
  const page = isPage(route.value.page) ? route.value.page : "overview";
  const Page = PAGES[page];
  return (
    <>
      <nav class="pages" aria-label={text.value.panels.title.system}>
        {(Object.keys(PAGES) as PageName[]).map((name) => (
          <button
            type="button"
            key={name}
            id={`page-${name}`}
            data-testid={`page-${name}`}
            class="tool"
            aria-current={name === page ? "page" : undefined}
            onClick={() => go("system", name)}
          >
            {words[name]}
          </button>
        ))}
      </nav>
      <Suspense fallback={<Loading />}>
        <Page />
      </Suspense>
    </>
  );
}
