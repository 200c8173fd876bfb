#!/bin/sh
# Build the C extensions under AddressSanitizer and UndefinedBehaviorSanitizer and run their tests with them.
# Needs gcc's libasan (Debian: part of gcc). Leaves nothing behind: works on a copy in a temporary directory.
# Usage: tools/sanitize_jpeg.sh [arguments for pytest]
set -eu

cd "$(dirname "$0")/.."
python="${PYTHON:-.venv/bin/python}"
case "$python" in /*) ;; */*) python="$PWD/$python" ;; esac
copy="$(mktemp -d)"
# pytest holds back what the tests print, and is gone with it when a sanitizer aborts: so that goes to files.
trap 'cat "$copy"/report.* 2>/dev/null || true; rm -rf "$copy"' EXIT

mkdir "$copy/drivers"
cp setup.py pyproject.toml README.md LICENSE NOTICE "$copy/"
cp -R drivers/__init__.py drivers/errors.py drivers/video "$copy/drivers/"
rm -f "$copy"/drivers/video/_*.so
cd "$copy"

FARHAND_SANITIZE=1 FARHAND_REQUIRE_JPEG=1 "$python" setup.py --quiet build_ext --inplace

# The interpreter is not built with the sanitizers, so their runtime must be there before everything else.
# malloc instead of Python's own allocator: otherwise an overrun of a bytes object stays within an arena.
asan=$(gcc -print-file-name=libasan.so) ubsan=$(gcc -print-file-name=libubsan.so)
[ -e "$asan" ] && [ -e "$ubsan" ] || { echo "expected gcc's libasan and libubsan, found none: install Debian's gcc" >&2; exit 2; }
export LD_PRELOAD="$asan:$ubsan"
export PYTHONMALLOC=malloc
export PYTHONPATH="$copy"
# Leaks: the interpreter does not free all at exit, so that check is off, and the tests count for themselves. The
# small quarantine is for the test that watches resident memory.
export ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:quarantine_size_mb=8:allocator_may_return_null=1:log_path="$copy/report"
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:log_path="$copy/report"

"$python" -P -c '
import sys
from drivers.video import _i420, _jpeg
maps = open("/proc/self/maps").read()
for extension in (_i420, _jpeg):
    assert extension.__file__.startswith(sys.argv[1]), extension.__file__
    assert b"__asan_" in open(extension.__file__, "rb").read() and "libasan" in maps, "not sanitized"
' "$copy"

# Deselected: a limit of the address space cannot be set where the sanitizer has reserved terabytes of it.
"$python" -P -m pytest -p no:cacheprovider -q \
    --deselect drivers/video/tests/test_jpeg_errors.py::test_running_out_of_memory_is_an_error_and_no_more \
    "$@" drivers/video/tests/test_jpeg.py drivers/video/tests/test_jpeg_errors.py \
    drivers/video/tests/test_jpeg_changes.py drivers/video/tests/test_jpeg_same.py \
    drivers/video/tests/test_jpeg_threads.py \
    drivers/video/tests/test_mjpeg_repair.py drivers/video/tests/test_mjpeg_decode.py \
    drivers/video/tests/test_i420.py drivers/video/v4l2/tests/test_watch.py
