/** The System panel: the appliance itself, in pages with addresses of their own. */

import type { ComponentType } from "preact";
import { lazy, Suspense } from "preact/compat";
import { go, route } from "../../state/route";
import { text } from "../../text";
import type { Catalogue } from "../../text/en";
import { useSession } from "../../ui/context";
import { Loading } from "../../ui/kit";
import OverviewPage from "./overview";
import "./system.css";

type PageName = keyof Catalogue["system"]["pages"];

const PAGES: Readonly<Record<PageName, ComponentType>> = {
  overview: OverviewPage,
  health: lazy(() => import("./health")),
  log: lazy(() => import("./log")),
  audit: lazy(() => import("./audit")),
  sessions: lazy(() => import("./sessions")),
  account: lazy(() => import("./account")),
  snapshots: lazy(() => import("./snapshots")),
  maintenance: lazy(() => import("./maintenance")),
  settings: lazy(() => import("./settings")),
};

/** Pages of which the appliance tells others nothing. */
const OF_ADMINS: ReadonlySet<PageName> = new Set(["log", "audit", "maintenance"] as const);

function isPage(name: string): name is PageName {
  return name in PAGES;
}

export default function SystemPanel() {
  const words = text.value.system.pages;
  const { rights } = useSession();
  const isOffered = (name: PageName): boolean => !OF_ADMINS.has(name) || rights.may("admin");
  const asked = route.value.page;
  const page = isPage(asked) && isOffered(asked) ? asked : "overview";
  const Page = PAGES[page];
  return (
    <>
      <nav class="pages" aria-label={text.value.panels.title.system}>
        {(Object.keys(PAGES) as PageName[]).filter(isOffered).map((name) => (
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
