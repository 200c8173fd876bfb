"""`python -m firmware.prepare`: what the image does at each start, before the appliance.

A program of its own and not a part of `farhand`: it runs before everything else, and loading the whole
appliance for it would make each start longer.
"""

from __future__ import annotations

import argparse
import pwd
import sys
from pathlib import Path

from firmware.core.errors import SetupError
from firmware.prepare.places import Owner, Places
from firmware.prepare.steps import Preparation


def _owner(name: str) -> Owner:
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise argparse.ArgumentTypeError(f"expected a user of this machine, got {name!r}") from None
    return Owner(user.pw_uid, user.pw_gid)


def main() -> int:
    """Prepare the machine; return 0, or 2 if that cannot be done."""
    parser = argparse.ArgumentParser(prog="firmware.prepare", description="Make the machine ready.")
    parser.add_argument("--boot", type=Path, metavar="DIR", required=True, help="the boot partition")
    parser.add_argument("--config", type=Path, metavar="DIR", required=True, help="configuration directory")
    parser.add_argument("--state", type=Path, metavar="DIR", required=True, help="state directory")
    parser.add_argument("--log", type=Path, metavar="DIR", help="where the journal is kept")
    parser.add_argument("--system", type=Path, metavar="DIR", required=True, help="of root's services alone")
    parser.add_argument("--owner", type=_owner, metavar="USER", help="whose configuration and state are")
    options = parser.parse_args()
    preparation = Preparation(
        Places(
            boot=options.boot,
            config=options.config,
            state=options.state,
            system=options.system,
            owner=options.owner,
            log=options.log,
        )
    )
    try:
        preparation.carry_out()
    except (OSError, SetupError) as exc:
        sys.stderr.write(f"cannot prepare the machine: {exc}\n")
        return 2
    finally:
        sys.stdout.writelines(f"{note}\n" for note in preparation.notes)
    return 0


if __name__ == "__main__":
    sys.exit(main())
