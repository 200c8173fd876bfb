"""Every validator of the API's parameters: raw value in, normalised value out, or a ValidatorError.

A validator is a pure function `valid_<name>(raw, name)`: *raw* is text or a JSON scalar (None stands for an
absent required parameter) and *name* is how the error message calls it. The rules are contract http.md 2.3
and 2.4; the exact lists of what is accepted and refused are vectors.json `validators`; all run as tests.
"""

from firmware.core.validators.auth import (
    valid_auth_token,
    valid_login_redirect,
    valid_oidc_text,
    valid_passkey_id,
    valid_passkey_name,
    valid_passwd,
    valid_session_expire,
    valid_session_id,
    valid_share_label,
    valid_token_name,
    valid_user,
)
from firmware.core.validators.basic import (
    valid_bool,
    valid_choice,
    valid_clamped_int,
    valid_float,
    valid_int,
    valid_list,
)
from firmware.core.validators.files import (
    valid_compress_mode,
    valid_http_url,
    valid_image_name,
    valid_printable_filename,
    valid_sha256,
)
from firmware.core.validators.hardware import (
    valid_gpio_channel,
    valid_gpio_driver,
    valid_gpio_pin,
    valid_mac,
    valid_otg_ethernet,
    valid_tty_speed,
)
from firmware.core.validators.hid import (
    valid_coord,
    valid_delta,
    valid_key_name,
    valid_keyboard_output,
    valid_mouse_button,
    valid_mouse_output,
    valid_print_delay,
    valid_print_limit,
    valid_shortcut_keys,
)
from firmware.core.validators.info import INFO_CATEGORIES, valid_info_fields, valid_log_seek
from firmware.core.validators.power import valid_atx_action, valid_atx_button, valid_redfish_reset_type
from firmware.core.validators.streamer import (
    valid_h264_bitrate,
    valid_h264_gop,
    valid_stream_fps,
    valid_stream_quality,
    valid_stream_resolution,
)
from firmware.core.validators.switch import (
    valid_switch_atx_delay,
    valid_switch_colour,
    valid_switch_edid_data,
    valid_switch_edid_id,
    valid_switch_edid_name,
    valid_switch_port,
    valid_switch_port_name,
)

__all__ = [
    "INFO_CATEGORIES",
    "valid_atx_action",
    "valid_atx_button",
    "valid_auth_token",
    "valid_bool",
    "valid_choice",
    "valid_clamped_int",
    "valid_compress_mode",
    "valid_coord",
    "valid_delta",
    "valid_float",
    "valid_gpio_channel",
    "valid_gpio_driver",
    "valid_gpio_pin",
    "valid_h264_bitrate",
    "valid_h264_gop",
    "valid_http_url",
    "valid_image_name",
    "valid_info_fields",
    "valid_int",
    "valid_key_name",
    "valid_keyboard_output",
    "valid_list",
    "valid_log_seek",
    "valid_login_redirect",
    "valid_mac",
    "valid_mouse_button",
    "valid_mouse_output",
    "valid_oidc_text",
    "valid_otg_ethernet",
    "valid_passkey_id",
    "valid_passkey_name",
    "valid_passwd",
    "valid_print_delay",
    "valid_print_limit",
    "valid_printable_filename",
    "valid_redfish_reset_type",
    "valid_session_expire",
    "valid_session_id",
    "valid_sha256",
    "valid_share_label",
    "valid_shortcut_keys",
    "valid_stream_fps",
    "valid_stream_quality",
    "valid_stream_resolution",
    "valid_switch_atx_delay",
    "valid_switch_colour",
    "valid_switch_edid_data",
    "valid_switch_edid_id",
    "valid_switch_edid_name",
    "valid_switch_port",
    "valid_switch_port_name",
    "valid_token_name",
    "valid_tty_speed",
    "valid_user",
]
