"""Whether an appliance leaks, from what it had in use after each round of load. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

type Use = Mapping[str, int]
"""What was in use while nothing was asked of it: counts by their names (`firmware.process`)."""

SLACK: Mapping[str, int] = {
    "trio_tasks": 2,
    "open_files": 2,
    "threads": 4,
    "resident_kib": 12 * 1024,
}
"""How much more may be in use at the end than at the beginning. Worker threads linger; memory that was freed
is not given back at once, and breaks into pieces in the first minutes."""

LEAST_ROUNDS = 3


def leaks(rounds: Sequence[Use]) -> list[str]:
    """Return a sentence for all of which the last third of *rounds* has more in use than the first.

    The least of each third counts: what lingers for a while is no leak, and what leaks is in every round from
    then on. Raises ValueError for fewer than `LEAST_ROUNDS`.
    """
    if len(rounds) < LEAST_ROUNDS:
        raise ValueError(f"expected {LEAST_ROUNDS} rounds or more, got {len(rounds)}")
    third = len(rounds) // 3
    found = []
    for name, slack in SLACK.items():
        first = min(use[name] for use in rounds[:third])
        last = min(use[name] for use in rounds[-third:])
        if last - first > slack:
            found.append(
                f"{name}: {first:g} in the first rounds, {last:g} in the last ones, {slack} more allowed"
            )
    return found
