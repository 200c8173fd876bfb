"""The C extensions and nothing else; all other metadata stands in pyproject.toml.

FARHAND_SANITIZE=1 builds them under AddressSanitizer and UndefinedBehaviorSanitizer (tools/sanitize_jpeg.sh).
FARHAND_REQUIRE_JPEG=1 makes a failed build an error; the image and CI set it.
"""

import os
import sys

from setuptools import Extension, setup

STRICT = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-fvisibility=hidden"]
SANITIZE = [
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    "-O1",
    "-g",
]
# -O3 also where the interpreter was built without it: the loops over pixels rely on the auto-vectoriser.
OPTIMISE = ["-O3", "-fstack-protector-strong"]

JPEG_PARTS = [
    *("_jpeg", "_bands", "_compare", "_decode", "_header", "_picture", "_planes", "_pool", "_repair", "_scan")
]

sanitizing = os.environ.get("FARHAND_SANITIZE") == "1"

setup(
    ext_modules=[
        Extension(
            "drivers.video._jpeg",
            sources=[f"drivers/video/{name}.c" for name in JPEG_PARTS],
            depends=[f"drivers/video/{name}.h" for name in JPEG_PARTS[1:]],
            libraries=["jpeg", "turbojpeg"],
            extra_compile_args=["-std=c11", *STRICT, *(SANITIZE if sanitizing else OPTIMISE)],
            extra_link_args=SANITIZE if sanitizing else [],
            # Without libjpeg-turbo's header the appliance still installs and says so in its state.
            optional=sys.platform != "linux" or os.environ.get("FARHAND_REQUIRE_JPEG") != "1",
        ),
        Extension(
            "drivers.video._i420",
            sources=["drivers/video/_i420.c", "drivers/video/_picture.c"],
            depends=["drivers/video/_picture.h"],
            extra_compile_args=["-std=c11", *STRICT, *(SANITIZE if sanitizing else OPTIMISE)],
            extra_link_args=SANITIZE if sanitizing else [],
            # Needs a C compiler and nothing else; without one there is no H.264.
            optional=sys.platform != "linux" or os.environ.get("FARHAND_REQUIRE_JPEG") != "1",
        ),
        Extension(
            "drivers.video.v4l2._watch",
            sources=[
                "drivers/video/v4l2/_watch.c",
                "drivers/video/_compare.c",
                "drivers/video/_picture.c",
            ],
            depends=["drivers/video/_compare.h", "drivers/video/_picture.h"],
            extra_compile_args=["-std=c11", *STRICT, *(SANITIZE if sanitizing else OPTIMISE)],
            extra_link_args=SANITIZE if sanitizing else [],
            # Without it a screen that stands still costs more.
            optional=sys.platform != "linux" or os.environ.get("FARHAND_REQUIRE_JPEG") != "1",
        ),
    ]
)
