"""What RAUC says, in plain words. The texts are RAUC's own, noted down from real refusals."""

from __future__ import annotations

import pytest

from firmware.subsystems.update.plain_words import plain


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Installation error: Compatible mismatch: Expected 'x-rpi4' but bundle manifest has 'x-other'",
            "the bundle is for another board: expected one for x-rpi4, got one for x-other",
        ),
        (
            "Version mismatch: Expected at least '0.2.0' but bundle manifest has '0.1.0'",
            "the bundle is older than what runs: expected 0.2.0 or newer, got 0.1.0",
        ),
        (
            "Version mismatch: Expected at least '0.2.0' but bundle manifest has no version",
            "the bundle is older than what runs: expected 0.2.0 or newer, got one without a version",
        ),
        (
            "signature verification failed: Verify error: self-signed certificate",
            (
                "the bundle was changed, or was not signed by whom this appliance trusts"
                " (RAUC: signature verification failed: Verify error: self-signed certificate)"
            ),
        ),
        (
            "signature verification failed: Verify error: certificate has expired",
            (
                "the certificate of the bundle has expired, or the clock of this appliance is wrong"
                " (RAUC: signature verification failed: Verify error: certificate has expired)"
            ),
        ),
        (
            "Invalid bundle format: Signature size is 0",
            "this is no update bundle, or not all of one (RAUC: Invalid bundle format: Signature size is 0)",
        ),
        ("Something new\nin two lines", "RAUC refused it: Something new in two lines"),
    ],
)
def test_reasons_are_told_in_plain_words(said: str, told: str) -> None:
    assert plain(said) == told
