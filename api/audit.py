"""What the front tells the audit trail: calls that change something, and sessions of the control socket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import trio

from api.credentials import Identity
from api.routing import Call, Route, Traced, traced
from firmware.core.masking import masked_path
from firmware.subsystems.audit.service import Actor, AuditService

SHOWN_CHARS: Final = 120


def actor_of(identity: Identity, client: str) -> Actor:
    """Return who calls from the address *client*."""
    return Actor(identity.caller.user, identity.how, client)


def record_call(audit: AuditService, route: Route, call: Call, actor: Actor, status: int | None) -> None:
    """Tell of one call that came to an end with *status*, or None without an answer."""
    match traced(route):
        case Traced.ACT:
            given = {name: shown(text) for name, text in call.given().items()}
            outcome: dict[str, object] = {"cut": True} if status is None else {"status": status}
            if with_what := given | call.noted:
                outcome["with"] = with_what
            audit.note(f"{route.method} {shown(masked_path(call.request.path))}", actor, **outcome)
        case Traced.INPUT:
            audit.count_input(actor, route.path.rpartition("/")[2])
            for name, amount in call.noted.items():
                if isinstance(amount, int):
                    audit.count_input(actor, name, amount)
        case Traced.NOTHING:
            pass


@contextmanager
def recorded_session(audit: AuditService, actor: Actor, counts: Mapping[str, int]) -> Iterator[None]:
    """Tell of a session of the control socket when it begins, and with its *counts* when it ends."""
    began_s = trio.current_time()
    audit.note("session opened", actor)
    try:
        yield
    finally:
        seconds = round(trio.current_time() - began_s)
        audit.note("session closed", actor, seconds=seconds, input=dict(sorted(counts.items())))


def shown(text: str) -> str:
    """Return a parameter as the trail has it: cut, and of a URL neither its password nor its query."""
    if "://" in text:
        try:
            parts = urlsplit(text.strip())
            text = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        except ValueError:
            text = "(no URL)"
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
