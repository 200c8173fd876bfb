"""The `farhand` command: arguments in, exit status out.

Exit status 0 is success, 1 a failure of the work asked for, 2 a mistake in the set-up, said in one line.
"""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from drivers.system.journal import is_journal
from firmware import audit_command, backup_command, config_command, passwd_command, token_command
from firmware import main as composition
from firmware.boards.data import board_names
from firmware.compose.authentication import password_file_of
from firmware.core.errors import SetupError
from firmware.core.log_ring import MESSAGE_FORMAT
from firmware.core.version import farhand_version
from firmware.doctor.command import command_doctor
from firmware.doctor.examine import Patient
from firmware.settings import load

STDERR = 2
EXIT_FAILURE = 1
EXIT_SETUP = 2
EXIT_INTERRUPTED = 130
DEFAULT_CONFIG_DIR = Path("/etc/farhand")
DEFAULT_STATE_DIR = Path("/var/lib/farhand")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="farhand", description="The firmware of an open IP-KVM appliance.")
    parser.add_argument("--version", action="version", version=f"farhand {farhand_version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run the appliance until a signal")
    run.add_argument(
        "--board", choices=board_names(), help="the board it runs on (default: the configuration)"
    )
    run.add_argument("--http", metavar="ADDR:PORT", help='plain HTTP: loopback, or redirects; "" for none')
    run.add_argument("--https", metavar="ADDR:PORT", help='HTTPS; port 0 picks one; "" for none')
    run.add_argument("--state", type=Path, metavar="DIR", help=f"state directory ({DEFAULT_STATE_DIR})")
    run.add_argument(
        "--self-report", type=Path, metavar="FILE", help="write there how gadget, capture and state are"
    )
    run.add_argument("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    run.add_argument(
        "board_arguments",
        nargs="*",
        metavar="-- ARG",
        help="for the board: `--board qemu -- -m 512 -cdrom x.iso`",
    )
    config = commands.add_parser("config", help="check or show the configuration")
    what = config.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="say what is wrong with it")
    what.add_argument("--dump", action="store_true", help="print it as it takes effect, without secrets")
    commands.add_parser("passwd", help="manage the password file: farhand passwd --help")
    doctor = commands.add_parser("doctor", help="look at this board: what works, what does not, what to do")
    doctor.add_argument("--board", choices=board_names(), help="the board that this is (default: as for run)")
    doctor.add_argument("--state", type=Path, metavar="DIR", help=f"state directory ({DEFAULT_STATE_DIR})")
    doctor.add_argument("--json", action="store_true", help="for programs")
    audit = audit_command.add_parser(commands)
    backups = backup_command.add_parsers(commands)
    tokens = token_command.add_parsers(commands)
    for command in (run, config, doctor, audit, *backups, *tokens):
        command.add_argument(
            "--config", type=Path, metavar="DIR", help=f"configuration directory ({DEFAULT_CONFIG_DIR})"
        )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line *arguments* (default: the process's own) and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        status = _carry_out(given)
        sys.stdout.flush()
    except SetupError as exc:
        for line in str(exc).splitlines():
            print(f"farhand: {line}", file=sys.stderr)
        return EXIT_SETUP
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OSError as exc:
        # Whoever read our output is gone, or there is no room for it. What is left must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(exc, BrokenPipeError):
            print(f"farhand: cannot write: {exc.strerror}", file=sys.stderr)
        return EXIT_FAILURE
    return status


def _carry_out(given: list[str]) -> int:
    if given[:1] == ["passwd"]:
        # It has a parser of its own, whose options are not ours.
        return passwd_command.run(
            given[1:],
            config_dir=DEFAULT_CONFIG_DIR,
            stdin=sys.stdin,
            stdout=sys.stdout,
            password_file_of=lambda directory: password_file_of(load(directory).settings.kvmd.auth),
        )
    options = _parser().parse_args(given)
    config_dir = options.config or DEFAULT_CONFIG_DIR
    if options.config is not None and not config_dir.is_dir():
        raise SetupError(f"expected a directory, found none at {config_dir}; give another with --config")
    if options.command == "config":
        command = config_command.command_check if options.check else config_command.command_dump
        return command(config_dir, sys.stdout)
    if options.command == "doctor":
        patient = Patient(options.board, config_dir, options.state)
        return command_doctor(patient, sys.stdout, json=options.json)
    if options.command == "audit":
        return audit_command.command_verify(
            options.files, config_dir, options.state, options.expect, sys.stdout
        )
    if options.command in ("backup", "restore", "factory-reset"):
        terminal = backup_command.Terminal(sys.stdin, sys.stdout, sys.stderr, getpass.getpass)
        return backup_command.run(options, config_dir, terminal)
    if options.command == "token":
        return token_command.run(options, config_dir, sys.stdout, sys.stderr)
    # The journal has times of its own.
    in_journal = is_journal(STDERR, os.environ)
    logging.basicConfig(
        level=options.log_level.upper(),
        format=MESSAGE_FORMAT if in_journal else "%(asctime)s %(levelname)-7s %(name)s --- %(message)s",
        stream=sys.stderr,
    )
    return composition.run(
        composition.Options(
            board=options.board,
            http=options.http,
            https=options.https,
            config_dir=config_dir,
            state_dir=options.state,
            self_report=options.self_report,
            board_arguments=tuple(options.board_arguments),
        )
    )


if __name__ == "__main__":
    sys.exit(main())
