# Types of the C extension; what it does stands in the docstrings of _watch.c.

from collections.abc import Buffer

type Found = tuple[int, int, int, int, int, float, float]

def wait_for_change(
    fd: int,
    stop_fd: int,
    buffer_type: int,
    multiplanar: bool,
    maps: tuple[Buffer, ...],
    whole_bytes: int,
    last: Buffer,
    width: int,
    height: int,
    stride_bytes: int,
    pixel_format: str,
    sequence: int,
    period_s: float,
    due_s: float,
    show_after_s: float,
    silence_s: float,
    /,
) -> tuple[Found | None, int, int, int, int, float]: ...
