"""What the numbers of a picture mean, by the fields of a V4L2 format: a pure translation.

Responsible for what drivers leave at DEFAULT, by the kernel's own rules (V4L2_MAP_YCBCR_ENC_DEFAULT and
V4L2_MAP_QUANTIZATION_DEFAULT of <linux/videodev2.h>; "Defining Colorspaces" in the V4L2 documentation). Must
never guess from the size of a picture.
"""

from __future__ import annotations

from typing import Final

from drivers.video.frame import Colour, ColourMatrix, ColourRange, PixelFormat
from drivers.video.v4l2 import uapi

# What the kernel counts as R'G'B': everything that is not Y'CbCr, grey included.
_FULL_BY_DEFAULT: Final = frozenset(
    {PixelFormat.RGB24, PixelFormat.BGR24, PixelFormat.BGRX32, PixelFormat.GREY}
)

_MATRICES: Final = {
    uapi.YCBCR_ENC_601: ColourMatrix.BT601,
    uapi.YCBCR_ENC_709: ColourMatrix.BT709,
    # The same numbers; only colours outside of the usual range have more room.
    uapi.YCBCR_ENC_XV601: ColourMatrix.BT601,
    uapi.YCBCR_ENC_XV709: ColourMatrix.BT709,
    uapi.YCBCR_ENC_BT2020: ColourMatrix.BT2020,
    uapi.YCBCR_ENC_BT2020_CONST_LUM: ColourMatrix.BT2020,
    # No source of today has it, and it differs from BT.709 by less than anybody sees.
    uapi.YCBCR_ENC_SMPTE240M: ColourMatrix.BT709,
}
_DEFAULT_MATRICES: Final = {
    uapi.COLORSPACE_REC709: ColourMatrix.BT709,
    uapi.COLORSPACE_DCI_P3: ColourMatrix.BT709,
    uapi.COLORSPACE_SMPTE240M: ColourMatrix.BT709,
    uapi.COLORSPACE_BT2020: ColourMatrix.BT2020,
}
_RANGES: Final = {
    uapi.QUANTIZATION_FULL_RANGE: ColourRange.FULL,
    uapi.QUANTIZATION_LIM_RANGE: ColourRange.LIMITED,
}


def colour_of(
    pixel_format: PixelFormat, *, colorspace: int, ycbcr_enc: int = 0, quantization: int = 0
) -> Colour:
    """Return the meaning of pictures in *pixel_format*; the other arguments are V4L2's, 0 is DEFAULT.

    A driver that does not even name the colour space is taken for one of a computer's (sRGB), as the kernel
    does. JPEG is always as JFIF has it: that is how whoever shows it reads it.
    """
    if pixel_format is PixelFormat.JPEG:
        return Colour()
    full = pixel_format in _FULL_BY_DEFAULT or colorspace == uapi.COLORSPACE_JPEG
    return Colour(
        _RANGES.get(quantization, ColourRange.FULL if full else ColourRange.LIMITED),
        _MATRICES.get(ycbcr_enc, _DEFAULT_MATRICES.get(colorspace, ColourMatrix.BT601)),
    )
