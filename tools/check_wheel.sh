#!/usr/bin/env bash
# Builds the wheel through an sdist and uses it from outside the tree: it must hold the extensions, the console, the
# boards and the fonts, and start. The dependencies are those of .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

rm -rf build
FARHAND_REQUIRE_JPEG=1 "$python" -m build --no-isolation --outdir "$work/dist" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
rm -rf build
"$python" -m pip install -q --disable-pip-version-check --no-deps --target "$work/site" "$work"/dist/*.whl
cd "$work"
PYTHONPATH=$work/site "$python" -P - "$work" <<'PYTHON'
import pathlib
import re
import signal
import subprocess
import sys
import urllib.request

work = pathlib.Path(sys.argv[1])
import api.console
import drivers.video.jpeg
import firmware

for module in (api, drivers, firmware):
    assert module.__file__ is not None
    assert pathlib.Path(module.__file__).is_relative_to(work), f"{module.__name__} came from {module.__file__}"
from firmware.subsystems.hid.keymap_files import our_names

assert len(our_names()) == 36, our_names()
assert drivers.video.jpeg.backend() == "libjpeg-turbo", drivers.video.jpeg.backend()
from drivers.video.h264.settings import missing_package

assert missing_package() is None, missing_package()
strays = [str(path.relative_to(work)) for path in (work / "site").rglob("*") if path.suffix in (".c", ".h", ".ts", ".tsx")]
strays += [str(path.relative_to(work)) for path in (work / "site").rglob("tests")]
strays = [stray for stray in strays if not stray.startswith("site/bin")]
assert not strays, strays
command = [sys.executable, "-P", "-m", "firmware.cli", "run", "--board", "emulated", "--http", "127.0.0.1:0", "--https", ""]
(work / "config").mkdir()
command += ["--config", str(work / "config"), "--state", str(work / "state"), "--log-level", "warning"]
with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
    assert process.stdout is not None
    url = re.search(r"http://\S+", process.stdout.readline())
    assert url is not None, "the appliance of the wheel did not start"
    with urllib.request.urlopen(url[0] + "login", timeout=30) as page:
        assert b"<script" in page.read()
    with urllib.request.urlopen(url[0] + "share/licenses.txt", timeout=30) as page:
        assert b"preact" in page.read()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
print("the wheel holds what it should, and starts")
PYTHON
