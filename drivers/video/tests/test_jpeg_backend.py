"""The choice of the engine: the extension where it is, Pillow where it is not, and it is said which."""

from __future__ import annotations

from collections.abc import Callable

from drivers.video.jpeg import backend, engine


def test_the_extension_is_used_where_it_is_built() -> None:
    assert backend() == "libjpeg-turbo"
    assert engine() is engine()


def test_without_the_extension_pillow_does_the_work(run_python: Callable[[str], str]) -> None:
    said = run_python("""
        import sys
        sys.modules["drivers.video._jpeg"] = None  # its import raises ImportError, as if it was never built
        from drivers.video.frame import Frame, PixelFormat
        from drivers.video.jpeg import JpegEncoder, backend, same_picture
        frame = Frame(bytes(64 * 48 * 2), 64, 48, 128, PixelFormat.YUYV, 0.0, 0.0)
        jpeg = JpegEncoder().encode(frame, 80)
        print(backend(), jpeg[:2].hex(), same_picture(frame, frame))
        try:
            JpegEncoder().encode(frame, 101)
        except ValueError as exc:
            print(exc)
    """)
    assert said == "Pillow ffd8 True\nexpected quality between 1 and 100, got 101\n"


def test_the_extension_loads_neither_numpy_nor_pillow(run_python: Callable[[str], str]) -> None:
    said = run_python("""
        import sys
        from drivers.video.jpeg import backend
        print(backend(), "numpy" in sys.modules, "PIL" in sys.modules)
    """)
    assert said == "libjpeg-turbo False False\n"
