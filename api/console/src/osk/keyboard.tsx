/** The on-screen keyboard, below the screen: a whole one where there is room, pages of a small one on phones. */

import { useEffect, useState } from "preact/hooks";
import { keyLabel } from "../hid/chord";
import { MODIFIER_KEYS } from "../hid/keys";
import { whenLeft } from "../hid/leaving";
import { call } from "../net/api";
import { text } from "../text";
import { useSession } from "../ui/context";
import { OnScreenKeys } from "./keys";
import { type Legends, legendOf } from "./legend";
import { MAIN, NUMPAD, PAGES, type PageName, type Place } from "./rows";
import { oskKeymap, oskOpen } from "./settings";
import { SoftField } from "./soft_field";
import "./osk.css";

const NARROW = "(max-width: 48rem)";

/** What is on the keys of the chosen keymap; empty until it is known. */
function useLegends(): Legends {
  const session = useSession();
  const keymaps = session.appliance.states.hid_keymaps.value?.keymaps;
  const wanted = oskKeymap.value;
  const keymap = wanted !== null && keymaps?.available.includes(wanted) === true ? wanted : keymaps?.default;
  const [legends, setLegends] = useState<Legends>({});
  useEffect(() => {
    if (keymap !== undefined) {
      void session
        .attempt(text.peek().osk.title, () =>
          call<{ keys: Legends }>("GET", session.base, "api/hid/keymaps/legends", { keymap }),
        )
        .then((answer) => answer !== null && setLegends(answer.keys));
    }
  }, [session, keymap]);
  return legends;
}

function useNarrow(): boolean {
  const [narrow, setNarrow] = useState(() => matchMedia(NARROW).matches);
  useEffect(() => {
    const query = matchMedia(NARROW);
    const follow = (): void => setNarrow(query.matches);
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, []);
  return narrow;
}

/** The keys, let go by whatever takes the page or the keyboard away. */
function useKeys(): OnScreenKeys {
  const session = useSession();
  const [keys] = useState(
    () => new OnScreenKeys((name, pressed) => session.hid.do({ kind: "key", name, pressed })),
  );
  useEffect(() => {
    const listening = new AbortController();
    const { signal } = listening;
    const release = (): void => keys.releaseAll();
    whenLeft(release, signal);
    const unfollow = session.control.status.subscribe(({ phase }) => {
      if (phase !== "online") {
        keys.forget();
      }
    });
    return () => {
      listening.abort();
      unfollow();
      release();
    };
  }, [session, keys]);
  return keys;
}

function Row({ row, keys, legends }: { row: readonly Place[]; keys: OnScreenKeys; legends: Legends }) {
  const session = useSession();
  const leds = session.appliance.states.hid.value?.keyboard.leds;
  const levels = {
    shift: keys.stickiness("ShiftLeft") !== "off" || keys.stickiness("ShiftRight") !== "off",
    altgr: keys.stickiness("AltRight") !== "off",
    caps: leds?.caps ?? false,
  };
  const lit: Record<string, boolean | undefined> = {
    CapsLock: leds?.caps,
    NumLock: leds?.num,
    ScrollLock: leds?.scroll,
  };
  return (
    <div class="osk-row">
      {row.map((place, index) => {
        if (place === null) {
          return <span key={`gap ${index}`} class="osk-gap" />;
        }
        const [name, width] = place;
        const sticky = MODIFIER_KEYS.has(name) ? keys.stickiness(name) : null;
        return (
          <button
            type="button"
            key={name}
            id={`osk-${name}`}
            data-testid={`osk-${name}`}
            class="osk-key"
            style={{ flexGrow: width }}
            aria-label={legendOf(name, legends, levels) === "" ? keyLabel(name) : undefined}
            aria-pressed={sticky === null ? lit[name] : sticky !== "off"}
            data-sticky={sticky ?? undefined}
            onPointerDown={(event) => {
              event.preventDefault();
              event.currentTarget.setPointerCapture(event.pointerId);
              keys.down(event.pointerId, name);
            }}
            onPointerUp={(event) => keys.up(event.pointerId)}
            onPointerCancel={(event) => keys.up(event.pointerId)}
            onLostPointerCapture={(event) => keys.up(event.pointerId)}
            onContextMenu={(event) => event.preventDefault()}
            onClick={(event) => {
              // From the keyboard, or a screen reader: no pointer came before it.
              if (event.detail === 0) {
                keys.click(name);
              }
            }}
          >
            {legendOf(name, legends, levels)}
          </button>
        );
      })}
    </div>
  );
}

interface BlockProps {
  rows: readonly (readonly Place[])[];
  keys: OnScreenKeys;
  legends: Legends;
}

function Block({ rows, keys, legends }: BlockProps) {
  return (
    <div class="osk-block">
      {rows.map((row, index) => (
        <Row key={index} row={row} keys={keys} legends={legends} />
      ))}
    </div>
  );
}

export default function OnScreenKeyboard() {
  const session = useSession();
  const words = text.value.osk;
  const keys = useKeys();
  const legends = useLegends();
  const narrow = useNarrow();
  const [page, setPage] = useState<PageName>("letters");
  const keymaps = session.appliance.states.hid_keymaps.value?.keymaps;
  // Read, so that the legends follow them.
  void keys.sticky.value;
  return (
    <section id="osk" data-testid="osk" class="osk" aria-label={words.title}>
      <div class="osk-head">
        {narrow &&
          (Object.keys(PAGES) as PageName[]).map((name) => (
            <button
              type="button"
              key={name}
              id={`osk-page-${name}`}
              class="tool"
              aria-pressed={name === page}
              onClick={() => setPage(name)}
            >
              {words.pages[name]}
            </button>
          ))}
        {narrow && <SoftField keymap={oskKeymap.value ?? keymaps?.default} />}
        <label class="osk-layout">
          <span class="unseen">{words.layout}</span>
          <select
            id="osk-keymap"
            data-testid="osk-keymap"
            value={oskKeymap.value ?? keymaps?.default}
            onChange={(event) => {
              oskKeymap.value = event.currentTarget.value;
            }}
          >
            {(keymaps?.available ?? []).map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <button
          type="button"
          id="osk-close"
          data-testid="osk-close"
          class="tool"
          onClick={() => {
            oskOpen.value = false;
          }}
        >
          {text.value.common.close}
        </button>
      </div>
      <div class="osk-blocks">
        <Block rows={narrow ? PAGES[page] : MAIN} keys={keys} legends={legends} />
        {!narrow && (
          <div class="osk-numpad">
            <Block rows={NUMPAD} keys={keys} legends={legends} />
          </div>
        )}
      </div>
    </section>
  );
}
