"""Why an operation on the drive or its storage is refused: the contract's classes (subsystems.md 5.4)."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from drivers.errors import (
    DriverError,
    ImageMissingError,
    ImagePermissionError,
    MediumLockedError,
    RemoteAnswerError,
    RemoteError,
    RemoteUnreachableError,
)
from firmware.core.errors import OperationError, ValidatorError


class MsdError(OperationError):
    """The virtual drive, or its storage, refused an operation."""


class MsdDisabledError(MsdError):
    """The configuration has no mass storage."""


class MsdOfflineError(MsdError):
    """There is no drive, or no storage, now."""


class MsdConnectedError(MsdError):
    """The drive is connected, and must not be for this."""


class MsdDisconnectedError(MsdError):
    """The drive is not connected, and must be for this."""


class MsdImageNotSelected(MsdError):  # noqa: N818 - the contract's name
    """There is nothing to connect."""


class MsdUnknownImageError(MsdError):
    """There is no such image."""


class MsdImageExistsError(MsdError):
    """There is an image of that name already."""


class MsdImageStaticError(MsdError):
    """The image may not be removed."""


class MsdRemoteDisabledError(MsdError):
    """An image on another machine was selected."""


class MsdPermissionsError(MsdError):
    """The image may not be opened as wanted."""


class MsdLockedError(MsdError):
    """The host has locked the medium."""


class MsdNoSpaceError(MsdError):
    """The storage has no room for the image; beyond the contract, where that is no error of its own."""


class MsdIncompleteError(MsdError):
    """Less came than was said would come; beyond the contract, for sources that are no client of ours."""


class MsdRemountError(MsdError):
    """The storage could not be made writable; the reference has an unexplained 500 for it."""


class MsdDigestMismatchError(MsdError):
    """The image is not what it should be; beyond the contract."""


class MsdUploadUnknownError(MsdError):
    """There is no such upload in parts; beyond the contract, as are the others of its kind."""

    status = 404


class MsdUploadOffsetError(MsdError):
    """A part does not begin where the last one ended."""

    status = 409


class MsdUploadInterruptedError(MsdError):
    """A newer request has taken the upload over."""

    status = 409


class MsdUploadChecksumError(MsdError):
    """A part is not what its checksum says."""

    # The number is that of the protocol (tus 1.0, checksum).
    status = 460


class ClientError(MsdError):
    """A remote image cannot be had; the contract's name for whatever is not told apart."""


class ClientConnectorError(ClientError):
    """There is no connection to the server of a remote image."""


class ClientResponseError(ClientError):
    """The server of a remote image answers, but not with the image."""


class MsdIsBusyError(MsdError):
    """Another operation is under way."""

    status = 409


_OF_DRIVER: tuple[tuple[type[DriverError], type[MsdError]], ...] = (
    (MediumLockedError, MsdLockedError),
    (ImageMissingError, MsdUnknownImageError),
    (ImagePermissionError, MsdPermissionsError),
)


def msd_error(exc: DriverError) -> MsdError:
    """Return the contract's error for what a drive said; one that is not told apart means no drive."""
    for of_driver, of_contract in _OF_DRIVER:
        if isinstance(exc, of_driver):
            return of_contract(str(exc))
    return MsdOfflineError(str(exc))


@contextmanager
def remote_errors() -> Iterator[None]:
    """Turn what the body says of another server's file into the contract's errors."""
    try:
        yield
    except RemoteUnreachableError as exc:
        raise ClientConnectorError(str(exc)) from exc
    except RemoteAnswerError as exc:
        raise ClientResponseError(str(exc)) from exc
    except RemoteError as exc:
        raise ClientError(str(exc)) from exc


_OF_ERRNO: Final[dict[int, type[OperationError]]] = {
    errno.ENOSPC: MsdNoSpaceError,
    errno.EDQUOT: MsdNoSpaceError,
    errno.EFBIG: MsdNoSpaceError,
    errno.EACCES: MsdPermissionsError,
    errno.EPERM: MsdPermissionsError,
    errno.EROFS: MsdPermissionsError,
    errno.ETXTBSY: MsdPermissionsError,
    errno.ENOENT: MsdUnknownImageError,
    errno.ENOTDIR: MsdUnknownImageError,
    errno.ELOOP: MsdUnknownImageError,
    errno.EEXIST: MsdImageExistsError,
    errno.EISDIR: MsdImageExistsError,
    errno.ENAMETOOLONG: ValidatorError,
    errno.EINVAL: ValidatorError,
    errno.EILSEQ: ValidatorError,
}


def storage_error(exc: OSError, what: str) -> OperationError:
    """Return the contract's error for what the storage's file system said of *what*.

    One that is not told apart (an I/O error, a device that is gone) means no storage.
    """
    return _OF_ERRNO.get(exc.errno or 0, MsdOfflineError)(f"{what}: {exc.strerror or exc}")


@contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn an OSError of the body into the contract's error that names *what*."""
    try:
        yield
    except OSError as exc:
        raise storage_error(exc, what) from exc
