"""Images that come from other servers (contract http.md 4.6, write_remote).

The storage is held from before the first connection to the end: nobody can take the place of an image whose
server is being asked. Knows nothing of how files are fetched, nor of who waits for this one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from drivers.ports import RemoteFile
from firmware.core.errors import ValidatorError
from firmware.subsystems.msd.errors import ClientError, remote_errors
from firmware.subsystems.msd.service import MsdService
from firmware.subsystems.msd.writer import ImageWriter


async def download(
    msd: MsdService,
    source: AbstractAsyncContextManager[RemoteFile],
    *,
    name_of: Callable[[str], str],
    image: str | None = None,
    remove_incomplete: bool = False,
    sha256: str | None = None,
    begun: Callable[[ImageWriter], None],
) -> None:
    """Take in the image that *source* opens, as *image* or else by the name that its server gives it.

    *name_of* makes the full, valid name of either. *begun* is told the writer when the image's file is
    there and nothing of it has come. Raises what `MsdService.writing` does, ClientError and its children, and
    ValidatorError for *image*.
    """
    if image is not None:
        image = name_of(image)
    with msd.exclusively(), remote_errors():
        async with source as remote:
            name = image if image is not None else _name_of_server(remote.name, name_of)
            async with msd.taking_in(
                name, remote.size_bytes, remove_incomplete=remove_incomplete, sha256=sha256
            ) as sink:
                begun(sink)
                while piece := await remote.read():
                    await sink.write(piece)


def _name_of_server(name: str | None, name_of: Callable[[str], str]) -> str:
    try:
        if name is not None:
            return name_of(name)
    except ValidatorError:
        pass  # said below: it is the server's name that is not good, and no parameter
    raise ClientError(f"expected the server to give a usable file name, got {name!r}; choose one with image")
