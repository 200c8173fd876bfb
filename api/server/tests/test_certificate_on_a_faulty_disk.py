"""The certificate, on a disk that fails at each operation of its making in turn."""

from __future__ import annotations

import datetime as dt
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from peers.disk_trials import Store, at, blocking, trials_of

from api.server import certificate


def _certificate(root: Path) -> object:
    """Return whether there is a pair that can be used for long; whatever there is must belong together."""
    path, key = root / "tls" / certificate.CERTIFICATE_NAME, root / "tls" / certificate.KEY_NAME
    if not path.exists():
        return None
    certificate.check_pair(path, key)
    left = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc - dt.datetime.now(dt.UTC)
    return left > certificate.RENEW_BEFORE


def _ensure(root: Path, validity: dt.timedelta) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certificate, "VALIDITY", validity)
        certificate.ensure_certificate(root / "tls", ["farhand"])


FIRST_CERTIFICATE = Store(
    "the first certificate", at, blocking(partial(_ensure, validity=certificate.VALIDITY)), _certificate
)
RENEWED_CERTIFICATE = Store(
    "a renewed certificate",
    at,
    FIRST_CERTIFICATE.change,
    _certificate,
    blocking(partial(_ensure, validity=dt.timedelta(days=30))),
)


@pytest.mark.parametrize("store", [FIRST_CERTIFICATE, RENEWED_CERTIFICATE], ids=lambda store: store.name)
async def test_whatever_the_disk_does_there_is_a_pair_or_none(store: Store[Any]) -> None:
    assert await trials_of(store) > 0
