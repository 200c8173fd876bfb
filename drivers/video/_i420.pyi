# Types of the C extension. What it does, with the rules for pictures and errors, stands in the docstrings
# of _i420.c.

from collections.abc import Buffer

def write(
    buffer: Buffer,
    width: int,
    height: int,
    stride_bytes: int,
    pixel_format: str,
    target: Buffer,
    /,
) -> None: ...
def same(a: Buffer, b: Buffer, /) -> bool: ...
