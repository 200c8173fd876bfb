"""Named states with transitions between them, each taken once: one that fails breaks the strategy for good.

A rig whose gadget came up half is no basis for a test, and a retry would hide why. So the first failure is
told with the transition and the state it was to lead to, and whoever asks later is told the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from rig.errors import BrokenRigError

Transition = Callable[[], None]


class Strategy:
    """A machine of states. Not for use from several threads at once."""

    def __init__(self, initial: str, transitions: Mapping[tuple[str, str], Transition]) -> None:
        self._state = initial
        self._transitions = dict(transitions)
        self._broken = ""

    @property
    def state(self) -> str:
        """The state it is in, or `broken`."""
        return "broken" if self._broken else self._state

    @property
    def states(self) -> frozenset[str]:
        """All states that there are."""
        return frozenset(name for pair in self._transitions for name in pair)

    def to(self, target: str) -> None:
        """Go to *target* by the shortest way; BrokenRigError if a transition fails, or failed before."""
        if self._broken:
            raise BrokenRigError(f"expected to reach {target}, got a rig that is broken since {self._broken}")
        for here, there in self._way(target):
            transition = self._transitions[here, there]
            name = getattr(transition, "__name__", repr(transition))
            try:
                transition()
            except BaseException as error:
                # Cut short is as bad as failed: nobody knows how far it came.
                self._broken = f"{name} from {here} to {there} failed: {error}"
                if isinstance(error, Exception):
                    raise BrokenRigError(
                        f"{name} failed, which leads from {here} to {there}: {error}"
                    ) from error
                raise
            self._state = there

    def _way(self, target: str) -> list[tuple[str, str]]:
        if target not in self.states:
            raise ValueError(f"expected one of {', '.join(sorted(self.states))}, got {target!r}")
        ways: dict[str, list[tuple[str, str]]] = {self._state: []}
        todo = deque([self._state])
        while todo:
            here = todo.popleft()
            if here == target:
                return ways[here]
            for start, end in self._transitions:
                if start == here and end not in ways:
                    ways[end] = [*ways[here], (start, end)]
                    todo.append(end)
        raise ValueError(f"expected a way from {self._state} to {target}, got none")
