"""What somebody has asked to happen at this start: a factory reset, or the restore of a backup.

A file `factory-reset` on the boot partition asks for a reset as well, for whoever has the card and no
password; with the word `images` in it the images go too.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from firmware.core.files import observe, sync_directory
from firmware.prepare.places import Places
from firmware.subsystems.backup.pending import (
    ResetRequest,
    cancel_reset,
    carry_out_reset,
    carry_out_restore,
    request_reset,
)
from firmware.subsystems.backup.scope import Roots

RESET_NAMES: Final = ("factory-reset", "factory-reset.txt")
"""Some systems hide the ending of a name, and add one unasked."""
IMAGES_WORD: Final = b"images"


def waiting_changes(places: Places) -> list[str]:
    """Carry out what waits; return sentences about it. Raises OSError, and then the next start goes on."""
    roots = Roots(places.config, places.state)
    notes = _request_of_the_card(places)
    done = carry_out_reset(roots, (places.system, *(() if places.log is None else (places.log,))))
    if done is not None:
        what = "configuration, accounts, keys, settings" + (" and images" if done.images else "")
        notes.append(f"Factory reset: {what} were removed.")
    if carry_out_restore(roots):
        notes.append("A backup was restored.")
    return notes


def _request_of_the_card(places: Places) -> list[str]:
    """Turn the file on the boot partition into a request; it must be gone before anything is removed."""
    for name in RESET_NAMES:
        path = places.boot / name
        if not path.is_file():
            continue
        images = IMAGES_WORD in (observe(path).data or b"").lower()
        # First the request, since it may be the last thing before the power fails.
        request_reset(places.state, ResetRequest(images))
        try:
            path.unlink()
        except OSError as exc:
            # Otherwise everything would be removed at every start.
            cancel_reset(places.state)
            return [f"{name} cannot be removed from here ({exc.strerror}), so nothing was reset."]
        with suppress(OSError):
            # A card that forgets the removal in a power cut resets once more, which is no reason to refuse.
            sync_directory(path.parent)
    return []
