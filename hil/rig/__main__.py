"""The rig's command line: `python -m rig build | run | exec | shell`. Its own words go to standard error."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from rig import in_guest, step, terminal, wheels
from rig.build import ensure_guest
from rig.errors import RigError
from rig.guest.system import TREE
from rig.protocol import text_bytes
from rig.recipe import TRIXIE
from rig.rig import Rig

FAILED = 125
"""The status when the rig itself fails: none of pytest's, and that of `docker run` and `git bisect` skips."""
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    options, rest = parser.parse_known_args(given)
    if rest and options.command in {"build", "shell"}:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    # What ends us ends the guest in its order, instead of by the kernel.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        status: int = options.do(options, [word for index, word in enumerate(rest) if word != "--" or index])
    except RigError as error:
        step.say(str(error))
        return FAILED
    except KeyboardInterrupt:
        step.say("interrupted")
        return _INTERRUPTED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="rig", description="A guest whose kernel plays the board's hardware."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser(
        "build", allow_abbrev=False, help="look for new packages, build what is missing"
    )
    build.set_defaults(do=_build)
    run = commands.add_parser(
        "run", help="run pytest inside; unknown arguments are pytest's (default: hil/kernel)"
    )
    run.add_argument("--cold", action="store_true", help="boot afresh instead of restoring a saved machine")
    run.add_argument(
        "--coverage", action="store_true", help="measure coverage for the host's `coverage combine`"
    )
    run.add_argument(
        "--fault-results", type=Path, help="add the results of tests marked `fault` to this file"
    )
    run.add_argument(
        "--artefacts", type=Path, default=in_guest.ARTEFACTS, help="where junit.xml and console.log go"
    )
    run.add_argument("--deadline-s", type=float, default=in_guest.DEADLINE_S, help="for the whole run")
    run.set_defaults(do=_run)
    execute = commands.add_parser(
        "exec", help="run a command inside, in the project's tree: exec -- COMMAND..."
    )
    execute.add_argument(
        "--cold", action="store_true", help="boot afresh instead of restoring a saved machine"
    )
    execute.add_argument("--deadline-s", type=float, default=in_guest.DEADLINE_S, help="for the command")
    execute.set_defaults(do=_exec)
    shell = commands.add_parser("shell", allow_abbrev=False, help="a shell inside, for people; Ctrl-] leaves")
    shell.add_argument("--cold", action="store_true", help="boot afresh instead of restoring a saved machine")
    shell.set_defaults(do=_shell)
    return parser


def _build(_options: argparse.Namespace, _rest: list[str]) -> int:
    guest = ensure_guest(TRIXIE, refresh=True)
    site = wheels.ensure_site(TRIXIE)
    step.say(f"{guest.directory} and {site.parent} are ready")
    return 0


def _run(options: argparse.Namespace, rest: list[str]) -> int:
    with _started(cold=options.cold) as rig:
        what = in_guest.PytestRun(
            tuple(rest), options.coverage, options.fault_results, options.artefacts, options.deadline_s
        )
        return in_guest.run_pytest(rig, what, _print)


def _exec(options: argparse.Namespace, rest: list[str]) -> int:
    if not rest:
        raise RigError("expected a command, got none: python -m rig exec -- COMMAND...")
    with _started(cold=options.cold) as rig:
        status = rig.run(rest, directory=TREE, timeout_s=options.deadline_s, on_output=_print).status
        return status if status >= 0 else 128 - status


def _shell(options: argparse.Namespace, _rest: list[str]) -> int:
    with _started(cold=options.cold) as rig:
        step.say(f"a shell in Linux {rig.kernel}; Ctrl-] leaves, and the guest is thrown away then")
        return terminal.interact(rig)


@contextlib.contextmanager
def _started(*, cold: bool) -> Iterator[Rig]:
    with Rig(cold=cold) as rig:
        step.say(f"Linux {rig.kernel} {'restored' if rig.restored else 'booted'} in {rig.start_s:.1f} s")
        yield rig


def _print(text: str) -> None:
    sys.stdout.buffer.write(text_bytes(text))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
