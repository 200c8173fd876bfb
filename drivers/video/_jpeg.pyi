# Types of the C extension. What it does, with the rules for pictures and errors, stands in the docstrings
# of _jpeg.c.

from collections.abc import Buffer
from typing import final

@final
class Encoder:
    limited_range: bool
    def __new__(cls, threads: int = 1, /) -> Encoder: ...
    def encode(
        self, buffer: Buffer, width: int, height: int, stride_bytes: int, pixel_format: str, quality: int, /
    ) -> bytes: ...
    def encode_changes(
        self,
        buffer: Buffer,
        width: int,
        height: int,
        stride_bytes: int,
        pixel_format: str,
        quality: int,
        last: Buffer,
        last_stride_bytes: int,
        /,
    ) -> bytes | None: ...
    def __sizeof__(self) -> int: ...

def decode_i420(buffer: Buffer, target: Buffer, width: int, height: int, /) -> None: ...
def repair(buffer: Buffer, width: int, height: int, /) -> bytes: ...
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
