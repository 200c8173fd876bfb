"""Reading the journal from a real process: a script that stands in for journalctl."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import trio.testing

from drivers.errors import DeviceGoneError, DeviceTimeoutError, DriverError, NotSupportedError
from drivers.system.journal import END_DEADLINE_S, READ_DEADLINE_S, Journal
from drivers.system.journal_lines import MAX_LINE_BYTES

# Without a child process, which would outlive the shell: opening a FIFO waits for its other end.
_HANG = 'read _ < "$0.fifo"'

Script = Callable[[str], Journal]

_FIRST = '{"__REALTIME_TIMESTAMP":"1","MESSAGE":"first"}'
_SECOND = '{"__REALTIME_TIMESTAMP":"2","MESSAGE":"second"}'


@pytest.fixture
def journal_of(tmp_path: Path) -> Script:
    """A journal that is read by a shell script."""

    def make(script: str) -> Journal:
        path = tmp_path / "journalctl"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        os.mkfifo(f"{path}.fifo")
        return Journal(
            units=("farhand.service", "kvmd-*.service"), journalctl=(str(path), "--directory=/none")
        )

    return make


async def test_records_come_in_order_and_end(journal_of: Script) -> None:
    async with journal_of(f"echo '{_FIRST}'; echo '{_SECOND}'; printf '\\n'").read() as reader:
        assert [record.message async for record in reader] == ["first", "second"]
        assert reader.statistics() == {"records": 2, "lines_invalid": 0, "lines_too_long": 0}


@pytest.mark.parametrize(
    ("since_s", "expected"),
    [
        (0, ["--unit=farhand.service", "--unit=kvmd-*.service"]),
        (60, ["--unit=farhand.service", "--unit=kvmd-*.service", "--since=-60s"]),
    ],
)
async def test_what_is_asked_for(
    tmp_path: Path, journal_of: Script, since_s: int, expected: list[str]
) -> None:
    asked = tmp_path / "asked"
    async with journal_of(f"for word; do echo \"$word\"; done > '{asked}'; echo $LC_ALL >> '{asked}'").read(
        since_s=since_s
    ) as reader:
        assert [record async for record in reader] == []
    assert asked.read_text().splitlines() == [
        "--directory=/none",
        "--boot",
        "--quiet",
        "--no-pager",
        "--output=json",
        "--all",
        "--output-fields=MESSAGE,PRIORITY,_SYSTEMD_UNIT,UNIT",
        *expected,
        "C",
    ]


@pytest.mark.fault("journal", "garbage")
async def test_what_is_no_record_is_skipped_and_counted(
    journal_of: Script, caplog: pytest.LogCaptureFixture
) -> None:
    script = f"""
        echo '{{"MESSAGE":"no time"}}'
        echo '{_FIRST}'
        echo '{{"__REALTIME_TIMESTAMP":'
        head -c {MAX_LINE_BYTES + 1} /dev/zero | tr '\\0' '{{'
        echo
        echo '{_SECOND}'
        printf '{{"__REALTIME_TIMESTAMP":"3","MESSAGE":"cut sho'
    """
    async with journal_of(script).read() as reader:
        assert [record.message async for record in reader] == ["first", "second"]
        assert reader.statistics() == {"records": 2, "lines_invalid": 2, "lines_too_long": 1}
    assert len(caplog.records) == 1


async def test_following_goes_on_until_left_and_ends_the_process(tmp_path: Path, journal_of: Script) -> None:
    pid_file = tmp_path / "pid"
    # It ignores polite signals, and says its second line only once it is asked to follow.
    script = f"""
        trap '' TERM HUP INT
        echo $$ > '{pid_file}'
        echo '{_FIRST}'
        case "$*" in *--follow\\ --no-tail) echo '{_SECOND}';; esac
        read _ < "$0.fifo"
    """
    async with journal_of(script).read(follow=True) as reader:
        messages = []
        async for record in reader:
            messages.append(record.message)
            if len(messages) == 2:
                break
        pid = int(pid_file.read_text())
        os.kill(pid, 0)
    assert messages == ["first", "second"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_cancelling_a_reader_that_waits_ends_the_process(tmp_path: Path, journal_of: Script) -> None:
    pid_file = tmp_path / "pid"
    journal = journal_of(f"echo $$ > '{pid_file}'; echo '{_FIRST}'; {_HANG}")
    with trio.CancelScope() as scope:
        async with journal.read(follow=True) as reader:
            async for _ in reader:
                scope.cancel()
    assert scope.cancelled_caught
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


async def test_an_error_of_the_body_comes_out_as_it_is(journal_of: Script) -> None:
    with pytest.raises(ZeroDivisionError):
        async with journal_of(_HANG).read(follow=True):
            raise ZeroDivisionError


@pytest.mark.fault("journal", "missing")
async def test_a_machine_without_journalctl(tmp_path: Path) -> None:
    journal = Journal(units=(), journalctl=(str(tmp_path / "no-journalctl"),))
    with pytest.raises(NotSupportedError, match=r"expected .*no-journalctl to read the journal with"):
        async with journal.read():
            pytest.fail("it opened")


async def test_a_file_that_is_no_program(tmp_path: Path) -> None:
    (tmp_path / "journalctl").touch()
    with pytest.raises(DriverError, match="journalctl: Permission denied"):
        async with Journal(units=(), journalctl=(str(tmp_path / "journalctl"),)).read():
            pytest.fail("it opened")


# The words of journalctl 252, seen from the real program.
_NO_UNIT = "Failed to add filter for units: No data available"
_NO_BOOT = "Data from the specified boot (+0) is not available: No such boot ID in journal"
_NOT_ALLOWED = "No journal files were opened due to insufficient permissions."


@pytest.mark.parametrize("complaint", [_NO_UNIT, _NO_BOOT])
async def test_a_boot_without_records_is_an_empty_journal(journal_of: Script, complaint: str) -> None:
    async with journal_of(f"echo '{complaint}' >&2; exit 1").read() as reader:
        assert [record async for record in reader] == []
        assert reader.statistics()["lines_invalid"] == 0


@pytest.mark.parametrize("follow", [False, True])
async def test_not_being_allowed_says_what_to_do(journal_of: Script, follow: bool) -> None:
    async with journal_of(f"echo '{_NOT_ALLOWED}' >&2; exit 1").read(follow=follow) as reader:
        with pytest.raises(DriverError, match=r"not allowed to read the journal: .* systemd-journal"):
            await anext(reader)


async def test_a_failure_is_told_in_its_own_words(journal_of: Script) -> None:
    async with journal_of(
        f"echo '{_FIRST}'; echo one >&2; echo 'the disk is gone' >&2; exit 3"
    ).read() as reader:
        assert (await anext(reader)).message == "first"
        with pytest.raises(DriverError, match="ended with status 3: the disk is gone"):
            await anext(reader)


@pytest.mark.fault("journal", "killed")
async def test_one_that_stops_following_is_gone(journal_of: Script) -> None:
    async with journal_of(f"echo '{_FIRST}'; kill -{signal.SIGKILL} $$").read(follow=True) as reader:
        assert (await anext(reader)).message == "first"
        with pytest.raises(DeviceGoneError, match="ended while it was to follow: -9"):
            await anext(reader)


@pytest.mark.fault("journal", "stalls")
async def test_one_that_hangs_is_given_up(journal_of: Script, mock_clock: trio.testing.MockClock) -> None:
    async with journal_of(_HANG).read() as reader, trio.open_nursery() as nursery:
        nursery.start_soon(_jump, mock_clock, READ_DEADLINE_S)
        with pytest.raises(DeviceTimeoutError, match="to read the journal on within"):
            await anext(reader)


async def test_one_that_does_not_end_after_its_output_is_given_up(
    tmp_path: Path, journal_of: Script, mock_clock: trio.testing.MockClock
) -> None:
    async with (
        journal_of(f'exec >&- 2>&-; echo closed > "$0.fifo"; {_HANG}').read() as reader,
        trio.open_nursery() as nursery,
    ):
        await trio.to_thread.run_sync((tmp_path / "journalctl.fifo").read_text)
        nursery.start_soon(_jump, mock_clock, END_DEADLINE_S)
        with pytest.raises(DeviceTimeoutError, match="to end with its output"):
            await anext(reader)


async def _jump(mock_clock: trio.testing.MockClock, seconds: float) -> None:
    await trio.testing.wait_all_tasks_blocked()
    mock_clock.jump(seconds)


async def test_a_slow_reader_loses_nothing(journal_of: Script) -> None:
    count = 20_000
    line = '{\\"__REALTIME_TIMESTAMP\\":\\"%d\\",\\"MESSAGE\\":\\"x\\"}\\n'
    journal = journal_of(f"""awk 'BEGIN {{ for (i = 0; i < {count}; i++) printf "{line}", i }}'""")
    async with journal.read() as reader:
        assert (await anext(reader)).time_us == 0
        await trio.testing.wait_all_tasks_blocked()
        times = [record.time_us async for record in reader]
    assert times == list(range(1, count))


@pytest.mark.fault("journal", "returns")
async def test_after_a_failure_the_next_reading_is_a_new_one(tmp_path: Path, journal_of: Script) -> None:
    journal = journal_of("kill -9 $$")
    async with journal.read(follow=True) as reader:
        with pytest.raises(DeviceGoneError):
            await anext(reader)
    (tmp_path / "journalctl").write_text(f"#!/bin/sh\necho '{_FIRST}'\n")
    async with journal.read() as reader:
        assert [record.message async for record in reader] == ["first"]
