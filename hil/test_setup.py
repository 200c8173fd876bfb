"""Mistakes in the set-up: one line that says what is wrong and how to mend it, exit status 2."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

FARHAND = str(Path(sys.executable).with_name("farhand"))
LOOPBACK = ("--http", "127.0.0.1:0", "--https", "")


def farhand(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FARHAND, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env={**os.environ, **environment},
    )


def run(tmp_path: Path, *arguments: str, **environment: str) -> str:
    """`farhand run` with a fresh configuration that must be refused; its only line of complaint."""
    (tmp_path / "config").mkdir(exist_ok=True)
    directories = ("--config", str(tmp_path / "config"), "--state", str(tmp_path / "state"))
    done = farhand(tmp_path, "run", *directories, *arguments, **environment)
    assert done.returncode == 2, done.stderr
    complaints = [line for line in done.stderr.splitlines() if line.startswith("farhand: ")]
    assert complaints, done.stderr
    assert "Traceback" not in done.stderr
    return "\n".join(complaints)


def test_a_busy_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = run(tmp_path, "--board", "emulated", "--http", f"127.0.0.1:{port}", "--https", "")
    assert f"127.0.0.1:{port}" in line
    assert "--http" in line


def test_a_second_appliance_on_the_same_state(tmp_path: Path, start_appliance: Callable[..., Any]) -> None:
    first = start_appliance("--board", "emulated", *LOOPBACK)
    state = Path(first.process.args[first.process.args.index("--state") + 1])
    line = run(tmp_path, "--board", "emulated", *LOOPBACK, "--state", str(state))
    assert str(first.process.pid) in line
    assert "--state" in line


@pytest.mark.parametrize("addresses", [("--http", "", "--https", "0.0.0.0:0"), ("--http", "0.0.0.0:0")])
def test_default_passwords_stay_on_loopback(tmp_path: Path, addresses: tuple[str, ...]) -> None:
    assert "farhand passwd" in run(tmp_path, "--board", "emulated", *addresses)


def test_a_default_password_in_the_file_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    # {SSHA512} of "admin", as PiKVM ships it, made here with a salt of our own.
    salt = b"saltsaltsaltsalt"
    stored = base64.b64encode(hashlib.sha512(b"admin" + salt).digest() + salt).decode()
    (tmp_path / "config/htpasswd").write_text(f"admin:{{SSHA512}}{stored}\n")
    (tmp_path / "config/htpasswd").chmod(0o600)
    line = run(tmp_path, "--board", "emulated", "--http", "", "--https", "0.0.0.0:0")
    assert "default" in line
    assert "farhand passwd" in line


def test_secrets_that_others_may_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    passwords = tmp_path / "config/htpasswd"
    passwords.write_text("")
    passwords.chmod(0o644)
    line = run(tmp_path, "--board", "emulated")
    assert "kvmd/auth/internal/file" in line
    assert f"chmod 640 {passwords}" in line


def test_a_missing_qemu(tmp_path: Path) -> None:
    line = run(tmp_path, "--board", "qemu", *LOOPBACK, PATH="/nonexistent")
    assert "qemu-system-x86" in line


def test_an_unknown_board(tmp_path: Path) -> None:
    done = farhand(tmp_path, "run", "--board", "nosuch", "--config", str(tmp_path))
    assert done.returncode == 2
    assert "emulated" in done.stderr


def test_no_board_at_all_is_never_an_emulation(tmp_path: Path) -> None:
    line = run(tmp_path, *LOOPBACK)
    assert "--board" in line


def test_a_wrong_configuration_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/override.yaml").write_text(
        "kvmd:\n  atx:\n    click_delay: 0.01\n    long_click_delay: x\n"
    )
    lines = run(tmp_path, "--board", "emulated", *LOOPBACK)
    assert "override.yaml:3" in lines
    assert "kvmd/atx/click_delay" in lines
    assert "kvmd/atx/long_click_delay" in lines
    checked = farhand(tmp_path, "config", "--check", "--config", str(tmp_path / "config"))
    assert checked.returncode == 2
    assert "kvmd/atx/click_delay" in checked.stdout + checked.stderr


def test_devices_that_are_not_driven_are_said_plainly(
    tmp_path: Path, start_appliance: Callable[..., Any]
) -> None:
    (tmp_path / "config").mkdir()
    override = tmp_path / "config/override.yaml"
    override.write_text("kvmd: {hid: {type: spi}}\n")
    assert "kvmd/hid/type" in run(tmp_path, "--board", "emulated", *LOOPBACK)
    override.write_text("nginx: {http: {port: 8080}}\n")
    running = start_appliance("--board", "emulated", *LOOPBACK, "--config", str(tmp_path / "config"))
    assert running.stop() == 0
    assert "nginx/http/port" in "".join(running.output)


def test_an_unreadable_configuration(tmp_path: Path) -> None:
    (tmp_path / "config/override.yaml").mkdir(parents=True)
    assert "override.yaml" in run(tmp_path, "--board", "emulated", *LOOPBACK)


def test_a_bad_certificate(tmp_path: Path) -> None:
    tls = tmp_path / "state/tls"
    tls.mkdir(parents=True)
    for name in ("certificate.pem", "key.pem", "server.crt", "server.key"):
        (tls / name).write_text("not a certificate\n")
    line = run(tmp_path, "--board", "emulated", "--http", "", "--https", "127.0.0.1:0")
    assert str(tls) in line


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "127.0.0.1:99999", "1.2.3:x"])
def test_a_malformed_address(tmp_path: Path, address: str) -> None:
    assert "--http" in run(tmp_path, "--board", "emulated", "--http", address, "--https", "")


def test_arguments_that_no_board_takes(tmp_path: Path) -> None:
    assert "-m 512" in run(tmp_path, "--board", "emulated", *LOOPBACK, "--", "-m", "512")


def test_a_password_of_ones_own_takes_the_place_of_the_default(
    tmp_path: Path, start_appliance: Callable[..., Any]
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    set_password = [FARHAND, "passwd", "--config", str(config), "set", "admin", "--stdin"]
    done = subprocess.run(set_password, input="s3cret-enough\n", text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    first = start_appliance(
        "--board", "emulated", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--config", str(config)
    )
    https, http = first.urls
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with httpx.Client(verify=context, timeout=30) as client:
        headers = {"X-KVMD-User": "admin", "X-KVMD-Passwd": "s3cret-enough"}
        assert client.get(https + "api/auth/check", headers=headers).status_code == 200
        headers["X-KVMD-Passwd"] = "admin"
        assert client.get(https + "api/auth/check", headers=headers).status_code == 403
        assert client.get(http + "healthz").status_code == 200
    assert first.stop() == 0
    assert "s3cret" not in "".join(first.output)


@pytest.mark.parametrize(
    "signals", [[signal.SIGHUP], [signal.SIGTERM, signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]]
)
def test_signals_end_it_in_order(appliance: Any, signals: list[signal.Signals]) -> None:
    for number in signals:
        appliance.process.send_signal(number)
    assert appliance.process.wait(30) == 0
    assert "Traceback" not in "".join(appliance.output)


def test_nobody_reading_its_output_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    command = [FARHAND, "run", "--board", "emulated", *LOOPBACK]
    command += ["--config", str(tmp_path / "config"), "--state", str(tmp_path / "state")]
    read_end, write_end = os.pipe()
    os.close(read_end)
    with subprocess.Popen(command, stdout=write_end, stderr=subprocess.PIPE, text=True) as process:
        os.close(write_end)
        assert process.stderr is not None
        url = next(found[0] for line in process.stderr if (found := re.search(r"http://\S+", line)))
        assert httpx.get(url + "healthz", timeout=30).status_code == 200
        process.send_signal(signal.SIGTERM)
        process.stderr.read()
        assert process.wait(30) in (0, 1)


def test_wrong_arguments_of_qemu_are_refused(tmp_path: Path) -> None:
    line = run(tmp_path, "--board", "qemu", *LOOPBACK, "--", "-no-such-option")
    assert "no-such-option" in line


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("kvmd: {hid: {type: spi}}", "kvmd/hid/type"),
        ("kvmd: {auth: {internal: {type: pam}}}", "kvmd/auth/internal/type"),
        ("kvmd: {auth: {external: {type: radius}}}", "kvmd/auth/external/type"),
        ("farhand: {tls: {certificate: /nonexistent/a, key: /nonexistent/b}}", "farhand/tls/certificate"),
    ],
)
def test_checking_and_running_refuse_the_same(tmp_path: Path, override: str, path: str) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/override.yaml").write_text(override + "\n")
    assert f"override.yaml:1: {path}" in run(tmp_path, "--board", "emulated", *LOOPBACK)
    checked = farhand(tmp_path, "config", "--check", "--config", str(tmp_path / "config"))
    assert checked.returncode == 2
    assert f"override.yaml:1: {path}" in checked.stdout


def test_a_mistyped_configuration_directory(tmp_path: Path) -> None:
    done = farhand(tmp_path, "run", "--board", "emulated", *LOOPBACK, "--config", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert "nowhere" in done.stderr


def test_help_of_the_passwd_command(tmp_path: Path) -> None:
    done = farhand(tmp_path, "passwd", "--help")
    assert done.returncode == 0
    assert "import" in done.stdout


def test_output_that_nobody_takes(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [FARHAND, "config", "--dump"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_it_stops_on_a_signal_with_clients_connected(appliance: Any) -> None:
    with appliance.client() as client, client.stream("GET", "/streamer/stream") as answer:
        assert answer.status_code == 502
    with socket.create_connection(("127.0.0.1", int(appliance.url.rsplit(":", 1)[1].strip("/")))):
        assert appliance.stop() == 0
