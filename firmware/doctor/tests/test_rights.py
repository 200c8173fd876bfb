"""What the doctor says of the rights of whoever runs the appliance."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from firmware.doctor.findings import Finding, Verdict
from firmware.doctor.rights import Identity, look_at_rights, service_identity
from firmware.privileged.client import PrivilegedHelper
from firmware.privileged.requests import MAX_BYTES, Ok, encode

VIDEO, OTHER = 44, 999
IN_VIDEO = Identity("farhand", 900, frozenset({900, VIDEO}))


@pytest.fixture
def helper(tmp_path: Path) -> PrivilegedHelper:
    """One that says that it is there."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(tmp_path / "helper"))
    listener.listen()

    def answer() -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(MAX_BYTES)
            connection.send(encode(Ok()))

    threading.Thread(target=answer, daemon=True).start()
    return PrivilegedHelper(tmp_path / "helper")


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.about: finding for finding in findings}


def test_all_is_well(helper: PrivilegedHelper, tmp_path: Path) -> None:
    groups = [("video", VIDEO), ("something", OTHER)]
    found = by_name(list(look_at_rights(IN_VIDEO, helper=helper, dev=tmp_path, groups=groups)))
    assert {name: one.verdict for name, one in found.items()} == {
        "rights": Verdict.OK,
        "privileged helper": Verdict.OK,
    }


def test_a_group_a_node_and_the_helper_that_are_missing_are_named(tmp_path: Path) -> None:
    (tmp_path / "gpiochip0").touch(mode=0o600)
    identity = Identity("farhand", os.getuid() + 1, frozenset({os.getgid() + 1}))
    helper = PrivilegedHelper(tmp_path / "nothing")
    found = by_name(
        list(look_at_rights(identity, helper=helper, dev=tmp_path, groups=[("dialout", os.getgid())]))
    )
    assert "dialout, the group of serial ports" in found["rights"].text
    assert found["devices"].verdict is Verdict.BAD
    assert "gpiochip0" in found["devices"].text
    assert found["privileged helper"].verdict is Verdict.BAD
    assert "farhand-privileged.socket" in found["privileged helper"].mend


@pytest.mark.parametrize(
    ("mode", "user", "group", "may"),
    [
        (0o600, 900, 0, True),
        (0o660, 0, VIDEO, True),
        (0o640, 0, VIDEO, False),
        (0o666, 0, 0, True),
        (0o660, 0, 0, False),
        # Whose it is counts first, as for the kernel.
        (0o066, 900, VIDEO, False),
    ],
)
def test_modes_count_as_they_do_for_the_kernel(mode: int, user: int, group: int, may: bool) -> None:
    status = os.stat_result((mode, 0, 0, 1, user, group, 0, 0, 0, 0))
    assert IN_VIDEO.may_use(status) is may


def test_root_is_looked_at_as_the_services_user_where_there_is_one() -> None:
    identity = service_identity("root")
    assert identity is not None
    assert identity.user == os.geteuid()
    if os.geteuid() == 0:
        assert service_identity("nobody-of-that-name") is None
        assert [finding.text for finding in look_at_rights(None)] == [
            "root, and there is no user of the appliance's own"
        ]
