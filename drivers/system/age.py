"""Files of the age format (age-encryption.org/v1) that a password opens: pyrage in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import trio

from drivers.errors import DeviceTimeoutError, DriverError, os_errors
from drivers.system import age_process

HEADER: Final = b"age-encryption.org/v1\n"
DEADLINE_S: Final = 300.0
"""Making the key takes a second or two by design, on the board that sealed the file."""


class SealError(DriverError):
    """A file cannot be opened."""


class WrongPasswordError(SealError):
    """It was sealed with another password."""


class DamagedFileError(SealError):
    """It is no such file, or was changed or cut short."""


async def seal(data: bytes, password: str) -> bytes:
    """Return *data* as a file that *password* opens. Raises DriverError."""
    return await _run("seal", data, password)


async def unseal(sealed: bytes, password: str) -> bytes:
    """Return what is in the file. Raises WrongPasswordError, DamagedFileError, DriverError."""
    if not sealed.startswith(HEADER):
        raise DamagedFileError("expected a file that begins with age-encryption.org/v1, got another")
    return await _run("open", sealed, password)


async def _run(what: str, data: bytes, password: str) -> bytes:
    secret = password.encode()
    given = len(secret).to_bytes(age_process.LENGTH_BYTES) + secret + data
    try:
        with os_errors("encryption"), trio.fail_after(DEADLINE_S):
            # -I: nothing but the installed library is looked for.
            done = await trio.run_process(
                [sys.executable, "-I", str(Path(age_process.__file__)), what],
                stdin=given,
                capture_stdout=True,
                stderr=subprocess.DEVNULL,
                check=False,
            )
    except trio.TooSlowError:
        raise DeviceTimeoutError(f"expected encryption to take at most {DEADLINE_S:g} s") from None
    match done.returncode:
        case 0:
            return bytes(done.stdout)
        case age_process.WRONG_PASSWORD:
            raise WrongPasswordError("the password is not the one that the file was made with")
        case age_process.DAMAGED:
            raise DamagedFileError("the file was changed or cut short")
        case age_process.TOO_COSTLY:
            raise SealError("the file was made on a much faster machine: this one cannot open it in time")
        case _:
            raise DriverError("encryption ended early: there may be too little memory")
