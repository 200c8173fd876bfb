# Types of the C extension. What it does, with the rules for pictures and errors, stands in the docstrings
# of _jpeg.c.

from collections.abc import Buffer
from typing import final

@final
class Encoder:
    def __new__(cls) -> Encoder: ...
    def encode(
        self, buffer: Buffer, width: int, height: int, stride_bytes: int, pixel_format: str, quality: int, /
    ) -> bytes: ...
    def __sizeof__(self) -> int: ...

def same(
    a: Buffer,
    b: Buffer,
    width: int,
    height: int,
    stride_a_bytes: int,
    stride_b_bytes: int,
    pixel_format: str,
    /,
) -> bool: ...
