"""`python -m firmware.privileged --user NAME`, started by systemd with the socket as descriptor 3."""

from __future__ import annotations

import argparse
import logging
import os
import pwd
import socket
import sys
from typing import Final

from drivers.gadget.configfs import GadgetDirectory
from firmware.privileged.acts import GADGET, Acts
from firmware.privileged.server import IDLE_S, serve

FIRST_DESCRIPTOR: Final = 3
"""SD_LISTEN_FDS_START (sd_listen_fds(3))."""


def main() -> int:
    """Serve until nobody asks any more; return 0, or 2 if this is not how it is to be started."""
    parser = argparse.ArgumentParser(
        prog="firmware.privileged", description="Acts for a service without rights."
    )
    parser.add_argument("--user", required=True, help="whom to serve, beside root")
    parser.add_argument(
        "--idle", type=float, default=IDLE_S, metavar="S", help="end when nobody asks for so long"
    )
    options = parser.parse_args()
    name = options.user
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        sys.stderr.write(f"expected the name of a user, got {name!r} - at --user\n")
        return 2
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        sys.stderr.write("expected one socket of systemd (LISTEN_FDS); start farhand-privileged.socket\n")
        return 2
    acts = Acts(GadgetDirectory(GADGET), user.pw_gid)
    with socket.socket(fileno=FIRST_DESCRIPTOR) as listener:
        serve(listener, acts, {0, user.pw_uid}, idle_s=options.idle)
    return 0


if __name__ == "__main__":
    sys.exit(main())
