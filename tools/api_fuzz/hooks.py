"""What Schemathesis must not send; loaded by it, in its own environment.

A request may neither last for ever nor for minutes, and makes the appliance talk to nobody but this machine.
"""

import schemathesis

NOBODY = "http://127.0.0.1:9/nobody.iso"
"""The discard port, at which nothing listens: a fetch from it is refused at once."""

LIMITS = {"delay": 0.01, "timeout": 1.0, "seek": 10_000}
"""The most that is sent of parameters which make a request long."""


@schemathesis.hook
def before_call(_context, case, _kwargs):  # type: ignore[no-untyped-def] # Schemathesis' types are not here
    """Take out of a case what would make it endless, or reach further than this machine."""
    query = case.query if isinstance(case.query, dict) else {}
    for endless in ("follow", "wait"):
        if endless in query:
            query[endless] = "0"
    for name, most in LIMITS.items():
        if isinstance(query.get(name), int | float) and query[name] > most:
            query[name] = most
    for name in ("url", "image"):
        if "://" in str(query.get(name, "")):
            query[name] = NOBODY
    if isinstance(query.get("keys"), str):
        query["keys"] = query["keys"][:100]
    body = case.body
    if isinstance(body, dict) and "://" in str(body.get("Image", "")):
        body["Image"] = NOBODY


@schemathesis.serializer("application/offset+octet-stream")
def part_of_an_image(_context, value):  # type: ignore[no-untyped-def] # as above
    """Send the part of a resumable upload as it is."""
    return value if isinstance(value, bytes) else str(value).encode()
