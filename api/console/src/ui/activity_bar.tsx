/** What goes on in this page, in the status bar; each leads to its panel. */

import { go } from "../state/route";
import { useSession } from "./context";

export function ActivityBar() {
  const { list } = useSession().activities;
  return (
    <span class="activities">
      {list.value.map(({ id, label, share, panel }) => (
        <button
          type="button"
          key={id}
          id={`activity-${id}`}
          data-testid={`activity-${id}`}
          class="activity"
          onClick={() => go(panel)}
        >
          <span>{label}</span>
          {share !== null && <progress value={share} max={1} aria-label={label} />}
        </button>
      ))}
    </span>
  );
}
