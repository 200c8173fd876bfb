"""DMTF's own Redfish library: logs in, walks the whole tree, logs out, and prints what it saw as JSON.

Runs in the clients' environment: `python dmtf_redfish.py URL CERTIFICATE USER PASSWORD`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import redfish
from redfish.rest.v1 import InvalidCredentialsError


def links(value: Any) -> list[str]:
    """Return every reference in a document."""
    if isinstance(value, dict):
        own = [value["@odata.id"]] if isinstance(value.get("@odata.id"), str) else []
        return own + [uri for item in value.values() for uri in links(item)]
    return [uri for item in value for uri in links(item)] if isinstance(value, list) else []


def main(url: str, certificate: str, user: str, password: str) -> None:
    client = redfish.redfish_client(url, user, password, cafile=certificate, timeout=30, max_retry=1)
    client.login(auth="session")
    location, token = client.get_session_location(), client.get_session_key()
    statuses: dict[str, int] = {}
    waiting = ["/redfish/v1/"]
    while waiting:
        uri = waiting.pop()
        if uri not in statuses:
            answer = client.get(uri)
            statuses[uri] = answer.status
            waiting.extend(links(answer.dict))
    listed = location.removeprefix(url.rstrip("/")) in statuses
    client.logout()
    after = client.get("/redfish/v1/Systems", headers={"X-Auth-Token": token}).status
    wrong = redfish.redfish_client(url, user, password + "x", cafile=certificate, timeout=30, max_retry=1)
    try:
        wrong.login(auth="session")
        refused = False
    except InvalidCredentialsError:
        refused = True
    report = {"statuses": statuses, "session_listed": listed, "after_logout": after, "wrong_refused": refused}
    print(json.dumps(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
