"""The process that seals and opens files of the age format with a password; run as a script by `age.py`.

It is a process of its own because making the key from the password takes seconds, in which the library
holds the interpreter, and hundreds of megabytes, which go back to the machine at its end. The password comes
by standard input, where no other user of the machine can read it.

Standard input: the length of the password (4 bytes, big-endian), the password (UTF-8), the data. Exit
status: 0, or one of those below.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

LENGTH_BYTES = 4
WRONG_PASSWORD = 3
DAMAGED = 4
TOO_COSTLY = 5
# What the library says of a password that is not the file's, as opposed to a file that was changed or cut.
_WRONG = "Decryption failed"
_COSTLY = "excessive work"


def main() -> int:
    """Seal or open what comes in."""
    from pyrage import DecryptError, passphrase  # noqa: PLC0415 - nobody else needs it in memory

    with suppress(OSError):
        # On a small board: rather this than the appliance.
        Path("/proc/self/oom_score_adj").write_text("1000")
    given = sys.stdin.buffer.read()
    end = LENGTH_BYTES + int.from_bytes(given[:LENGTH_BYTES])
    password, data = given[LENGTH_BYTES:end].decode(), given[end:]
    if sys.argv[1] == "seal":
        sys.stdout.buffer.write(passphrase.encrypt(data, password))
        return 0
    try:
        opened = passphrase.decrypt(data, password)
    except DecryptError as exc:
        if str(exc) == _WRONG:
            return WRONG_PASSWORD
        return TOO_COSTLY if _COSTLY in str(exc).lower() else DAMAGED
    sys.stdout.buffer.write(opened)
    return 0


if __name__ == "__main__":
    sys.exit(main())
