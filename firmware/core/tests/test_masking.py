"""No secret that stands in a path is written down, however it is spelt."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core.masking import masked_path

SECRET = "0123456789abcdef" * 4


@pytest.mark.parametrize("path", ["/", "/api/atx", "/share/assets/main-1f.js", "/a%20b", "/share", "/share/"])
def test_what_holds_no_secret_is_as_it_was(path: str) -> None:
    assert masked_path(path) == path


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (f"/share/fhs_{SECRET}", "/share/***"),
        (f"/share/fhs_{SECRET}/", "/share/***/"),
        ("/share/mistyped", "/share/***"),
        (f"/api/auth/fht_{SECRET}/x", "/api/auth/fht_***/x"),
        (f"/kvm/share/fhs_{SECRET}", "/kvm/share/fhs_***"),
        (f"//share//fhs_{SECRET}", "//share//***"),
        (f"/shar%65/{SECRET}", "/share/***"),
    ],
)
def test_a_secret_is_masked(path: str, shown: str) -> None:
    assert masked_path(path) == shown


@given(st.text("0123456789abcdef", min_size=1), st.sampled_from(["/", "/share/", "/a/b/"]), st.data())
def test_no_spelling_shows_it(digits: str, before: str, data: st.DataObject) -> None:
    secret = f"fhs_{digits}"
    spelt = "".join(
        f"%{ord(char):02X}" if data.draw(st.booleans()) else quote(char, safe="") for char in secret
    )
    shown = masked_path(before + spelt)
    assert shown in (f"{before}fhs_***", "/share/***")
    assert "\n" not in masked_path(f"{before}{spelt}%0Aforged")
