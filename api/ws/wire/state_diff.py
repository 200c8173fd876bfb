"""From two states of a subsystem to the event that tells a client the difference.

The merge rule of clients (contract websocket.md 1.4): an event holds the top-level keys that changed, and
each replaces its predecessor; an absent key is unchanged. `Shape` says where a subsystem differs from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

type State = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Shape:
    """How the events of one subsystem are cut.

    whole: every event is complete, and with `repeats` is sent even if equal. deep: keys whose members merge
    one level deeper; their set is fixed, since a client cannot be told that one is gone. deeper: the same,
    where the members' own members merge too, a fixed set as well. companions: pairs of a key and one that
    must travel along with it. only_whole: keys whose change makes the event complete.
    """

    whole: bool = False
    repeats: bool = False
    deep: frozenset[str] = frozenset()
    deeper: frozenset[str] = frozenset()
    companions: tuple[tuple[str, str], ...] = ()
    only_whole: frozenset[str] = frozenset()


def difference(old: State | None, new: State, shape: Shape) -> State | None:
    """Return what brings a client from *old* (None: it knows nothing) to *new*; None if no event is due."""
    if old is None:
        return new
    changed = {key for key, value in new.items() if key not in old or old[key] != value}
    if shape.whole or changed & shape.only_whole or old.keys() - new.keys():
        # A key that went away cannot be told by a partial event, since an absent key means "unchanged".
        return new if changed or shape.repeats or old.keys() - new.keys() else None
    event: dict[str, object] = {}
    for key in changed:
        levels = 2 if key in shape.deeper else int(key in shape.deep)
        event[key] = _changed(old.get(key), new[key], levels)
    for key, companion in shape.companions:
        if key in event and companion in new:
            event.setdefault(companion, new[companion])
    return event or None


def _changed(old: object, new: object, levels: int) -> object:
    """Return the changed members of a member, so many *levels* down; the whole where that cannot be told."""
    if not levels or not isinstance(old, Mapping) or not isinstance(new, Mapping) or old.keys() - new.keys():
        return new
    return {
        key: _changed(old[key], value, levels - 1) if key in old else value
        for key, value in new.items()
        if key not in old or old[key] != value
    }
