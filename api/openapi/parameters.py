"""JSON Schemas of request parameters, from the validators that check them.

A validator of ours is described here once; a parameter with one of its own brings its `schema`. Values travel
as text in the query string: a schema says what the text stands for, as OpenAPI does. Where a validator is
more tolerant than its schema (letter case, `yes` for `true`, white space), the schema names what to send.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from api.params import REQUIRED, Param
from drivers.wire.hid_usages import KEYS, MOUSE_BUTTONS
from firmware.core import validators as v
from firmware.core.validators import hid, power, streamer, switch
from firmware.core.validators.basic import LIST_MAX_CHARS, SCALAR_MAX_CHARS

type Schema = Mapping[str, object]


def _words(words: tuple[str, ...]) -> Schema:
    return {"type": "string", "enum": list(words)}


def _integer(minimum: int | None = None, maximum: int | None = None) -> Schema:
    return {"type": "integer"} | _limits(minimum, maximum)


def _number(minimum: float | None = None, maximum: float | None = None) -> Schema:
    return {"type": "number"} | _limits(minimum, maximum)


def _limits(minimum: float | None, maximum: float | None) -> dict[str, object]:
    limits = {"minimum": minimum, "maximum": maximum}
    return {name: value for name, value in limits.items() if value is not None}


def _text(pattern: str | None = None, max_chars: int | None = None) -> Schema:
    schema: dict[str, object] = {"type": "string"}
    if pattern is not None:
        schema["pattern"] = pattern
    if max_chars is not None:
        schema["maxLength"] = max_chars
    return schema


_KEY_NAMES: Final = tuple(KEYS)
_UUID: Final = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

_OF_VALIDATOR: Final[Mapping[Callable[..., object], Schema]] = MappingProxyType(
    {
        v.valid_bool: {"type": "boolean"},
        v.valid_key_name: _words(_KEY_NAMES),
        v.valid_shortcut_keys: _text(max_chars=LIST_MAX_CHARS),
        v.valid_mouse_button: _words(tuple(MOUSE_BUTTONS)),
        v.valid_coord: _integer(hid.COORD_MIN, hid.COORD_MAX),
        v.valid_delta: _integer(-hid.DELTA_MAX, hid.DELTA_MAX),
        v.valid_keyboard_output: _words(hid.KEYBOARD_OUTPUTS),
        v.valid_mouse_output: _words(hid.MOUSE_OUTPUTS),
        v.valid_print_delay: _number(0, hid.PRINT_DELAY_MAX_S),
        v.valid_print_limit: _integer(0),
        v.valid_atx_action: _words(power.ATX_ACTIONS),
        v.valid_atx_button: _words(power.ATX_BUTTONS),
        v.valid_stream_quality: _integer(streamer.QUALITY_MIN, streamer.QUALITY_MAX),
        v.valid_stream_fps: _integer(0, streamer.FPS_MAX),
        v.valid_stream_resolution: _text("^[1-9][0-9]*x[1-9][0-9]*$", 32),
        v.valid_h264_bitrate: _integer(streamer.H264_BITRATE_MIN_KBPS, streamer.H264_BITRATE_MAX_KBPS),
        v.valid_h264_gop: _integer(0, streamer.H264_GOP_MAX),
        v.valid_log_seek: _integer(0),
        v.valid_image_name: _text(),
        v.valid_http_url: _text("^https?://"),
        v.valid_sha256: _text("^[0-9A-Fa-f]{64}$"),
        v.valid_compress_mode: _words(("", "none", "lzma", "zstd")),
        v.valid_gpio_channel: _text("^[a-zA-Z_][a-zA-Z0-9_.-]*$", 255),
        v.valid_switch_port: _number(0),
        v.valid_switch_port_name: _text(max_chars=switch.NAME_MAX_CHARS),
        v.valid_switch_edid_name: _text(r"\S", switch.NAME_MAX_CHARS),
        v.valid_switch_edid_id: _text(f"^{_UUID}$"),
        v.valid_switch_edid_data: _text("^([0-9A-Fa-f]{256}|[0-9A-Fa-f]{512})$"),
        v.valid_switch_colour: _text("^([0-9A-F]{6}:[0-9A-F]{2}:[0-9A-F]{4}|default)$"),
        v.valid_switch_atx_delay: _number(0, switch.ATX_DELAY_MAX_S),
        v.valid_info_fields: _text(max_chars=LIST_MAX_CHARS),
        v.valid_list: _text(max_chars=LIST_MAX_CHARS),
        v.valid_int: _integer(),
        v.valid_float: _number(),
        v.valid_choice: _text(max_chars=SCALAR_MAX_CHARS),
    }
)


def parameter_schema(param: Param[Any]) -> Schema:
    """Return the schema of *param*'s text. Raises LookupError if neither it nor its validator has one."""
    schema = param.schema if param.schema is not None else _of_validator(param)
    if param.default is REQUIRED or param.default is None or isinstance(param.default, list | tuple):
        return schema
    return {**schema, "default": param.default}


def _of_validator(param: Param[Any]) -> Schema:
    given: Any = param.valid
    function, keywords = (given.func, given.keywords) if isinstance(given, partial) else (given, {})
    if function is v.valid_int:
        return _integer(keywords.get("minimum"), keywords.get("maximum"))
    if function is v.valid_float:
        return _number(keywords.get("minimum"), keywords.get("maximum"))
    if function is v.valid_choice and "allowed" in keywords:
        return _words(tuple(keywords["allowed"]))
    if function is v.valid_switch_edid_id and keywords.get("default_allowed"):
        return _text(f"^({_UUID}|default)$")
    known = _OF_VALIDATOR.get(function)
    if known is None:
        raise LookupError(f"expected a schema for the parameter {param.name}, found none; give it one")
    return known
