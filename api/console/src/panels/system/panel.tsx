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
  access: lazy(() => import("./access")),
  snapshots: lazy(() => import("./snapshots")),
  maintenance: lazy(() => import("./maintenance")),
  settings: lazy(() => import("./settings")),
};

/** Pages of which the appliance tells others nothing. */
const OF_ADMINS: ReadonlySet<PageName> = new Set(["log", "audit", "maintenance"] as const);

/** Pages that are for users themselves, and not for those who are here by a share link of theirs. */
const IN_PERSON: ReadonlySet<PageName> = new Set(["account", "access"] as const);

function isPage(name: string): name is PageName {
  return name in PAGES;
}

export default function SystemPanel() {
  const words = text.value.system.pages;
  const { rights } = useSession();
  const isOffered = (name: PageName): boolean =>
    (!OF_ADMINS.has(name) || rights.may("admin")) && (!IN_PERSON.has(name) || rights.inPerson);
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
