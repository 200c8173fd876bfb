"""Fuzzes all targets one after the other, or those that are named; fails if one of them finds something.

What is found is kept as a file, and `--replay FILE TARGET` shows it again. What covers new code is kept too
and is where the next run begins.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import sys
import tempfile
import time
from contextlib import redirect_stderr
from pathlib import Path

import atheris

# Only what is imported here is instrumented, which is told module by module; it costs some seconds, so all
# targets share it.
with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["api", "drivers", "firmware"]):
    from tools.fuzz.targets import Target, targets

TREE = Path(__file__).parents[2]
CORPORA = TREE / ".cache/fuzz"
MEMORY_LIMIT_MIB = 1024
SLOW_INPUT_S = 20
"""An input that takes so long is a finding; a busy machine makes everything some times slower."""
KEPT_OUTPUT_LINES = 40
CANARY_RUNS = 10_000_000
"""It is found after some thousands; by chance alone after 16 million."""


def run_fuzzer(target: Target, arguments: list[str], output: int) -> int:
    """Run libFuzzer, which ends its process, in one of its own; return the exit status."""
    sys.stdout.flush()
    # libFuzzer ends its process without a word to Python: what that leaves behind is removed here.
    with tempfile.TemporaryDirectory(prefix="farhand-fuzz-", ignore_cleanup_errors=True) as scratch:
        child = os.fork()
        if child == 0:
            os.dup2(output, sys.stdout.fileno())
            os.dup2(output, sys.stderr.fileno())
            tempfile.tempdir = scratch
            limits = [f"-rss_limit_mb={MEMORY_LIMIT_MIB}", f"-timeout={SLOW_INPUT_S}"]
            atheris.Setup([sys.argv[0], *limits, *arguments], target.run)
            atheris.Fuzz()
            os._exit(0)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def fuzz(name: str, target: Target, seconds: int) -> str | None:
    """Fuzz a target for so long and tell how it went; return what was found, None if nothing was."""
    folder = CORPORA / name
    corpus, findings = folder / "corpus", folder / "findings"
    for place in (corpus, findings):
        place.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    arguments = [f"-max_total_time={seconds}", "-print_final_stats=1", f"-artifact_prefix={findings}/"]
    if os.environ.get("CI", "") not in ("", "false"):
        # A change is judged by what it changes: CI tries the same inputs each time, as far as it gets.
        arguments.append("-seed=1")
    start = time.monotonic()
    log = folder / "log"
    with log.open("wb") as output:
        status = run_fuzzer(target, [*arguments, str(corpus)], output.fileno())
    text = log.read_text(errors="replace")
    runs = re.search(r"number_of_executed_units: (\d+)", text)
    covered = re.findall(r"cov: (\d+)", text)
    if runs is None or not covered:
        return "\n".join(text.splitlines()[-KEPT_OUTPUT_LINES:]) or f"libFuzzer ended with {status}"
    took_s = time.monotonic() - start
    print(f"{name:<16} {int(runs[1]):>9} inputs, {covered[-1]:>4} edges in {took_s:.0f} s", flush=True)
    return None if status == 0 else "\n".join(text.splitlines()[-KEPT_OUTPUT_LINES:])


@atheris.instrument_func  # type: ignore[untyped-decorator]  # the library has no types
def _canary(data: bytes) -> None:
    if data[:1] == b"b" and data[1:2] == b"u" and data[2:3] == b"g":
        raise AssertionError("found")


def check_that_it_finds() -> None:
    """Fuzz a bug that only coverage leads to: a run that finds nothing has to mean something."""
    with (CORPORA / "canary").open("wb") as output:
        arguments = [f"-runs={CANARY_RUNS}", f"-artifact_prefix={CORPORA}/canary-"]
        if run_fuzzer(Target(_canary), arguments, output.fileno()) == 0:
            sys.exit(f"expected the fuzzer to find a bug that is there, it did not - at {output.name}")


def main() -> None:
    """Read the arguments and do as they say."""
    known = targets()
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="TARGET", help=f"all, or some of {', '.join(known)}")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default %(default)s)")
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="run the one target with this input alone"
    )
    arguments = parser.parse_args()
    names = arguments.names or list(known)
    if unknown := sorted(set(names) - known.keys()):
        parser.error(f"expected targets of {', '.join(known)}, got {', '.join(unknown)}")
    if arguments.replay is not None:
        if len(names) != 1:
            parser.error("expected one target to replay, got more")
        sys.exit(run_fuzzer(known[names[0]], [str(arguments.replay)], sys.stderr.fileno()))
    CORPORA.mkdir(parents=True, exist_ok=True)
    check_that_it_finds()
    found = {name: why for name in names if (why := fuzz(name, known[name], arguments.seconds)) is not None}
    for name, why in found.items():
        print(f"\n=== {name} ===\n{why}", file=sys.stderr)
    if found:
        sys.exit(f"found something: {', '.join(found)}; the inputs are below {CORPORA}")


if __name__ == "__main__":
    main()
