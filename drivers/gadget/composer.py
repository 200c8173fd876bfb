"""From what the gadget shall be to what is in the kernel: done by this process, or by one that may.

Loads no Trio: the process with the rights to compose (`firmware.privileged`) is to load little.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from drivers.gadget import configfs
from drivers.gadget.configfs import GadgetDirectory, MissingFunctionError
from drivers.gadget.plan import desired_tree
from drivers.gadget.spec import GadgetSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Composed:
    """What came of composing: the controller, what the host sees, and what it does not see, and why."""

    udc: str
    linked: frozenset[str]
    left_out: Mapping[str, str]


class Composer(Protocol):
    """Who composes the gadget."""

    def compose(self, spec: GadgetSpec) -> Composed:
        """Turn what is there into *spec*. Blocks. Raises DriverError, and then all is as it was."""
        ...


class DirectComposer:
    """Composes in this process, which must own configfs: root."""

    def __init__(self, directory: GadgetDirectory) -> None:
        self._directory = directory

    def compose(self, spec: GadgetSpec) -> Composed:
        """See `Composer.compose`."""
        missing: set[str] = set()
        while True:
            udc = self._directory.choose_udc(spec.udc)
            try:
                changes = configfs.compose(self._directory, desired_tree(spec, udc, missing=missing))
            except MissingFunctionError as exc:
                missing.add(exc.name)
                if missing >= {function.name for function in spec.functions}:
                    raise
                continue
            selection = spec.select(missing)
            logger.info("USB gadget on %s: %d changes", udc, changes)
            return Composed(
                udc, frozenset(function.name for function in selection.linked), selection.left_out
            )
