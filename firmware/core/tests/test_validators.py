"""Every accepted and refused value of the contract's 48 groups, and what the tables cannot say."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.core import validators as v
from firmware.core.errors import ValidatorError

_VECTORS = json.loads((Path(__file__).parent / "data" / "vectors.json").read_text(encoding="utf-8"))
_GROUPS: dict[str, dict[str, Any]] = _VECTORS["validators"]

_VALIDATORS: dict[str, Callable[[object], object]] = {
    "bool": v.valid_bool,
    "int (no range)": v.valid_int,
    "int >= 0": partial(v.valid_int, minimum=0),
    "int >= 1": partial(v.valid_int, minimum=1),
    "float >= 0": partial(v.valid_float, minimum=0.0),
    "float >= 0.1": partial(v.valid_float, minimum=0.1),
    "keys print delay (float 0..5)": v.valid_print_delay,
    "user": v.valid_user,
    "passwd": v.valid_passwd,
    "session expire": v.valid_session_expire,
    "auth token": v.valid_auth_token,
    "keyboard output": v.valid_keyboard_output,
    "mouse output": v.valid_mouse_output,
    "key name (case sensitive)": v.valid_key_name,
    "mouse button": v.valid_mouse_button,
    "mouse absolute coordinate": v.valid_coord,
    "mouse relative/wheel delta": v.valid_delta,
    "atx power action": v.valid_atx_action,
    "atx button": v.valid_atx_button,
    "msd image name": v.valid_image_name,
    "msd image name (eject allowed)": partial(v.valid_image_name, eject_allowed=True),
    "info fields (legacy=0)": v.valid_info_fields,
    "log seek": v.valid_log_seek,
    "stream quality": v.valid_stream_quality,
    "stream fps": v.valid_stream_fps,
    "stream resolution": v.valid_stream_resolution,
    "stream h264 bitrate": v.valid_h264_bitrate,
    "stream h264 gop": v.valid_h264_gop,
    "http url": v.valid_http_url,
    "printable filename": v.valid_printable_filename,
    "switch port (float)": v.valid_switch_port,
    "switch port name": v.valid_switch_port_name,
    "switch edid id (default allowed)": partial(v.valid_switch_edid_id, default_allowed=True),
    "switch edid id (no default)": v.valid_switch_edid_id,
    "switch edid hex data": v.valid_switch_edid_data,
    "switch colour (default allowed)": v.valid_switch_colour,
    "switch atx delay": v.valid_switch_atx_delay,
    "gpio channel": v.valid_gpio_channel,
    "gpio driver name": v.valid_gpio_driver,
    "string list (comma, tab or space separated)": v.valid_list,
    "shortcut keys": v.valid_shortcut_keys,
    "login redirect (defaults)": partial(v.valid_login_redirect, allowed=["/", "/kvm", "/kvm/"]),
    "compress mode": v.valid_compress_mode,
    "redfish ResetType": v.valid_redfish_reset_type,
    "gpio pin": v.valid_gpio_pin,
    "tty speed": v.valid_tty_speed,
    "otg ethernet driver": v.valid_otg_ethernet,
    "mac": v.valid_mac,
}

# The reference lets these IEEE specials through; the vectors' own notes say that a clone should refuse them.
_REFUSED_THOUGH_LISTED = {"nan", "inf"}


def _rows(kind: str) -> list[Any]:
    return [
        pytest.param(group, row, id=f"{group}-{index}")
        for group, content in _GROUPS.items()
        for index, row in enumerate(content[kind])
    ]


def test_every_group_of_the_contract_has_its_validator() -> None:
    assert set(_VALIDATORS) == set(_GROUPS)
    assert len(_GROUPS) == 48


@pytest.mark.parametrize(("group", "row"), _rows("accepted"))
def test_accepted(group: str, row: list[Any]) -> None:
    raw, expected = row
    validate = _VALIDATORS[group]
    if expected in ("nan", "inf"):
        assert raw in _REFUSED_THOUGH_LISTED
        with pytest.raises(ValidatorError, match="expected a number"):
            validate(raw)
        return
    value = validate(raw)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(("group", "raw"), _rows("rejected"))
def test_rejected(group: str, raw: object) -> None:
    with pytest.raises(ValidatorError, match=r"(?s)^expected .+, got .+ - at \w+$"):
        _VALIDATORS[group](raw)


@pytest.mark.parametrize(
    ("group", "max_raw"),
    [(group, content["max_raw"]) for group, content in _GROUPS.items() if content["max_raw"]],
)
def test_raw_text_longer_than_the_limit_is_refused(group: str, max_raw: int) -> None:
    accepted = next(raw for raw, _ in _GROUPS[group]["accepted"] if isinstance(raw, str))
    validate = _VALIDATORS[group]
    if group == "passwd":
        validate("x" * max_raw)
        with pytest.raises(ValidatorError):
            validate("x" * (max_raw + 1))
        return
    padded = accepted.rjust(max_raw)
    validate(padded)
    with pytest.raises(ValidatorError):
        validate(padded + " ")


_ODD_VALUES: list[object] = [
    None, [None], {}, b"1", 1.5, float("nan"), float("inf"), 10**5000, "\udcff", "\0", "x" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("group", _GROUPS)
@pytest.mark.parametrize("raw", _ODD_VALUES, ids=range(len(_ODD_VALUES)))
def test_nothing_but_a_validator_error_leaves_a_validator(group: str, raw: object) -> None:
    try:
        value = _VALIDATORS[group](raw)
    except ValidatorError as exc:
        message = str(exc)
    else:
        # What is accepted among these odd values: a number, and text where any text is a name.
        assert value in (1.5, "", "_", ["\udcff"], ["\0"])
        return
    assert len(message) < 400
    message.encode()  # no lone surrogate may reach an answer


@given(
    raw=st.one_of(
        st.text(max_size=40), st.integers(), st.floats(), st.booleans(), st.none(), st.binary(max_size=8)
    ),
    group=st.sampled_from(sorted(_GROUPS)),
)
def test_any_scalar_is_normalised_or_refused(raw: object, group: str) -> None:
    validate = _VALIDATORS[group]
    try:
        value = validate(raw)
    except ValidatorError as exc:
        str(exc).encode()
        return
    # Whatever is accepted is in normal form: the validator leaves it as it is.
    assert validate(value) == value


def test_a_message_names_the_parameter_the_value_and_what_is_allowed() -> None:
    with pytest.raises(ValidatorError) as caught:
        v.valid_stream_quality("101")
    assert str(caught.value) == "expected an integer in 1..100, got '101' - at quality"
    assert caught.value.contract_name == "ValidatorError"
    assert caught.value.status == 400
    with pytest.raises(ValidatorError, match="got nothing - at mouse_button"):
        v.valid_mouse_button(None, "mouse_button")


@pytest.mark.parametrize("secret", ["pässword-of-mine", "p" * 600, "0123456789abcdef\t" * 4, 12345678])
@pytest.mark.parametrize("validate", [v.valid_passwd, v.valid_auth_token])
def test_secrets_are_never_echoed(validate: Callable[[object], str], secret: object) -> None:
    with pytest.raises(ValidatorError) as caught:
        validate(secret)
    assert str(secret)[:6] not in str(caught.value)


@pytest.mark.parametrize("raw", ["1e-7", "1e300", "nan", "inf", "-0.5", 1e-7])
def test_switch_ports_without_a_plain_decimal_form_are_refused(raw: object) -> None:
    with pytest.raises(ValidatorError):
        v.valid_switch_port(raw)


def test_lists_come_from_json_too() -> None:
    assert v.valid_shortcut_keys(["ControlLeft", " KeyL ", ""]) == ["ControlLeft", "KeyL"]
    with pytest.raises(ValidatorError):
        v.valid_shortcut_keys(["ControlLeft", 5])


def test_hw_is_a_category_only_in_legacy_mode() -> None:
    assert v.valid_info_fields("HW,fan", legacy=True) == ["hw", "fan"]
    with pytest.raises(ValidatorError, match="one of auth, extras, fan, health, meta, node, system, uptime"):
        v.valid_info_fields("hw")


@pytest.mark.parametrize(
    "raw", ["http://a\nHost: b/", "http://[", "http://a:99999/", "http://:80/", "http://u@/"]
)
def test_urls_that_no_client_could_fetch_are_refused(raw: str) -> None:
    with pytest.raises(ValidatorError):
        v.valid_http_url(raw)


@given(raw=st.text(alphabet=st.sampled_from("./ a\0\tл\u2028"), max_size=12))
def test_an_image_name_never_leaves_its_root(raw: str) -> None:
    try:
        name = v.valid_image_name(raw)
    except ValidatorError:
        return
    parts = name.split("/")
    assert all(part and not part.startswith(".") and part == part.strip() for part in parts)
    assert "\0" not in name


def test_a_redirect_is_answered_as_configured() -> None:
    assert v.valid_login_redirect("/HOME", allowed=["/Home"]) == "/Home"
    assert v.valid_login_redirect(" ", allowed=[]) == ""


def test_an_edid_needs_a_name() -> None:
    assert v.valid_switch_edid_name("  My\tscreen ") == "My screen"
    with pytest.raises(ValidatorError):
        v.valid_switch_edid_name(" \0 ")
