"""The second factor against the numbers of RFC 6238."""

from __future__ import annotations

import base64
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.subsystems.auth.totp import TotpSecret, split_code

RFC_SECRET = base64.b32encode(b"12345678901234567890")

# RFC 6238 appendix B, SHA-1: the last six of its eight digits.
RFC_CODES = [
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


def secret() -> TotpSecret:
    parsed = TotpSecret.parse(RFC_SECRET)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(("time_s", "code"), RFC_CODES)
def test_codes_of_the_rfc(time_s: int, code: str) -> None:
    assert secret().accepts(code, time_s)


@pytest.mark.parametrize(("time_s", "code"), RFC_CODES[1:])
@pytest.mark.parametrize(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_of_skew_in_both_directions(time_s: int, code: str, steps: int, accepted: bool) -> None:
    begin_of_step_s = time_s // 30 * 30
    assert secret().accepts(code, begin_of_step_s + steps * 30) is accepted
    assert secret().accepts(code, begin_of_step_s + steps * 30 + 29.999) is accepted


def test_the_first_minute_of_1970_has_no_step_before_it() -> None:
    assert secret().accepts("755224", 0)  # RFC 4226 appendix D, counter 0
    assert secret().accepts("287082", 0.5)  # counter 1
    assert not secret().accepts("359152", 0)  # counter 2


@given(st.text(max_size=12))
def test_anything_but_the_code_is_just_wrong(text: str) -> None:
    assert secret().accepts(text, 59) is (text in {"755224", "287082", "359152"})


@pytest.mark.parametrize(
    "code",
    [
        "\uff12\uff18\uff17\uff10\uff18\uff12",
        "28708²",
        "287 82",
        "+87082",
        "0287082",
        "287082 ",
        "",
        "\ud800" * 6,
    ],
)
def test_what_only_looks_like_digits_is_wrong(code: str) -> None:
    assert not secret().accepts(code, 59)


@pytest.mark.parametrize("data", [b"", b" \n\t\r\n", b"\n"])
def test_an_empty_file_switches_it_off(data: bytes) -> None:
    assert TotpSecret.parse(data) is None


@pytest.mark.parametrize(
    "data",
    [
        RFC_SECRET + b"\n",
        RFC_SECRET.lower(),
        b"GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ",
        b"\tGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\r\n",
    ],
)
def test_secrets_as_people_paste_them(data: bytes) -> None:
    parsed = TotpSecret.parse(data)
    assert parsed is not None
    assert parsed.accepts("287082", 59)


def test_padding_is_optional() -> None:
    padded = base64.b32encode(b"1234567890123456789")
    assert padded.endswith(b"=")
    for data in (padded, padded.rstrip(b"=")):
        assert TotpSecret.parse(data) is not None


@pytest.mark.parametrize("data", [b"not base32!", b"GEZD0189", b"\xff\xfe", b"A", "секрет".encode()])
def test_a_broken_secret_is_an_error_that_does_not_quote_it(data: bytes) -> None:
    with pytest.raises(ValueError, match="expected a base32 secret") as caught:
        TotpSecret.parse(data)
    assert data.decode("latin-1") not in str(caught.value).replace("A-Z", "")


@given(st.binary(max_size=60))
def test_any_bytes_are_a_secret_nothing_or_an_error(data: bytes) -> None:
    try:
        parsed = TotpSecret.parse(data)
    except ValueError:
        return
    assert (parsed is None) == (not data.split() or not data.decode().strip().strip("="))


def test_the_representation_shows_nothing() -> None:
    assert "GEZD" not in repr(secret())


@pytest.mark.parametrize(
    ("sent", "password", "code"),
    [("secret123456", "secret", "123456"), ("123456", "", "123456"), ("1234", "", "1234"), ("", "", "")],
)
def test_the_code_is_the_last_six_characters(sent: str, password: str, code: str) -> None:
    assert split_code(sent) == (password, code)


def test_the_classic_sixteen_characters_are_a_secret() -> None:
    """80 bits, as authenticators have long used: the code of step 1 computed by hand after RFC 4226, 5.3."""
    key = base64.b32decode("JBSWY3DPEHPK3PXP")
    digest = hmac.digest(key, (1).to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    code = (int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF) % 1_000_000
    secret = TotpSecret.parse(b"jbsw y3dp ehpk 3pxp\n")
    assert secret is not None
    assert secret.accepts(f"{code:06}", 30.0)
    assert not secret.accepts(f"{(code + 1) % 1_000_000:06}", 30.0)


@pytest.mark.parametrize("text", [b"JBSWY3DP", b"GE"])
def test_a_secret_that_is_too_short_is_a_slip(text: bytes) -> None:
    with pytest.raises(ValueError, match="at least 16 characters"):
        TotpSecret.parse(text)
