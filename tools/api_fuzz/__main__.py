"""Runs Schemathesis from the appliance's own description against a live appliance on the emulated board.

Fails if it finds anything, or if it ran fewer cases than asked for: `python -m tools.api_fuzz [--cases N]`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
CLIENTS = HERE.parents[1] / ".cache/clients/bin"
CONFIGURATION = """
farhand: {watchdog: {device: ""}}
kvmd:
    streamer: {forever: true}
    gpio:
        drivers: {nothing: {type: noop}}
        scheme:
            lamp: {driver: nothing, pin: 1, mode: output}
            button: {driver: nothing, pin: 2, mode: input}
"""
STOP_DEADLINE_S = 30
LONGEST_LINE = 400


@contextmanager
def appliance(directory: Path) -> Iterator[str]:
    """Run an appliance in *directory* and yield its URL."""
    config = directory / "config"
    config.mkdir()
    (config / "override.yaml").write_text(CONFIGURATION)
    command = [
        *(str(Path(sys.executable).with_name("farhand")), "run", "--board", "emulated"),
        *("--http", "127.0.0.1:0", "--https", "", "--log-level", "warning"),
        *("--config", str(config), "--state", str(directory / "state")),
    ]
    log = directory / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=output, text=True)
        try:
            assert process.stdout is not None
            url = next(
                (found[0] for line in process.stdout if (found := re.findall(r"http://\S+", line))), None
            )
            if url is None:
                sys.exit(f"the appliance did not start:\n{log.read_text()}")
            yield url
        finally:
            process.terminate()
            process.wait(STOP_DEADLINE_S)
    bugs = [line for line in log.read_text().splitlines() if "a bug" in line or "Traceback" in line]
    if bugs:
        sys.exit("the appliance logged bugs:\n" + "\n".join(bugs[:20]))


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000, help="how many there must be at least")
    options, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="farhand-fuzz-") as name, appliance(Path(name)) as url:
        command = [
            *(str(CLIENTS / "schemathesis"), "--config-file", str(HERE / "schemathesis.toml")),
            *("run", f"{url}api/openapi.json", "--url", url.rstrip("/"), *rest),
        ]
        if os.environ.get("CI", "") not in ("", "false") and not any(
            word.startswith("--seed") for word in rest
        ):
            # A change is judged by what it changes, so CI sends the same requests each time.
            command += ["--seed", "1"]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE), "NO_COLOR": "1"}
        done = subprocess.run(command, env=environment, cwd=name, capture_output=True, text=True, check=False)
    # A finding quotes its request, which may be as long as the server's limit.
    lines = [
        line if len(line) <= LONGEST_LINE else line[:LONGEST_LINE] + "..."
        for line in done.stdout.splitlines()
    ]
    print(*lines, done.stderr[-2000:], sep="\n")
    found = re.search(r"(\d+) generated", done.stdout)
    cases = int(found[1]) if found else 0
    print(f"{cases} cases")
    if done.returncode != 0 or cases < options.cases:
        sys.exit(f"expected {options.cases} cases and no finding, got {cases} and status {done.returncode}")


if __name__ == "__main__":
    main()
