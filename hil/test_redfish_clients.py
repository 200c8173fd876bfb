"""Other people's Redfish clients, unmodified, against an appliance over TLS; and DMTF's validator.

The clients run as processes of an environment of their own, which `justw` makes.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

TREE = Path(__file__).parents[1]
CLIENTS = TREE / ".cache/clients/bin"
SCHEMAS = Path(os.environ.get("FARHAND_REDFISH_SCHEMAS", TREE.parent / "shared/redfish-csdl"))
"""DMTF's schema files (DSP8010), which are not ours to pass on."""
CLIENT_DEADLINE_S = 90


@pytest.fixture(scope="module")
def secure(start_shared_appliance: Callable[..., Any]) -> Any:
    return start_shared_appliance("--board", "emulated", "--http", "", "--https", "127.0.0.1:0")


def certificate_of(appliance: Any) -> Path:
    arguments = appliance.process.args
    return Path(arguments[arguments.index("--state") + 1]) / "tls/certificate.pem"


def run_client(appliance: Any, script: str, *arguments: str) -> dict[str, Any]:
    """Run one of `hil/clients` and return what it reports."""
    command: list[str | Path] = [CLIENTS / "python", "-W", "ignore", TREE / "hil/clients" / script]
    access = [appliance.url, certificate_of(appliance), appliance.user, appliance.password]
    ended = subprocess.run(
        [*command, *access, *arguments], capture_output=True, text=True, timeout=CLIENT_DEADLINE_S
    )
    assert ended.returncode == 0, ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    return report


def test_dmtfs_library_walks_the_tree_in_a_session(secure: Any) -> None:
    report = run_client(secure, "dmtf_redfish.py")
    assert set(report["statuses"].values()) == {200}
    assert {"/redfish/v1/Systems/0", "/redfish/v1/Managers/BMC"} <= set(report["statuses"])
    assert report["session_listed"]
    assert report["after_logout"] == 401
    assert report["wrong_refused"]


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[str]:
    """A server with one image; its URL."""
    directory = tmp_path / "web"
    directory.mkdir()
    (directory / "installer.iso").write_bytes(bytes(range(256)) * 1000)
    handler = partial(SilentHandler, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_what: Any) -> None:
        """Say nothing: the test says what matters."""


def test_openstacks_sushy(secure: Any, web_server: str) -> None:
    context = ssl.create_default_context(cafile=str(certificate_of(secure)))
    headers = {"X-KVMD-User": secure.user, "X-KVMD-Passwd": secure.password}
    with httpx.Client(base_url=secure.url, verify=context, headers=headers, timeout=30) as client:
        answer = client.post("/api/msd/write?image=sticks/rescue.img", content=bytes(range(256)) * 256)
        assert answer.status_code == 200, answer.text
    report = run_client(secure, "openstack_sushy.py", "sticks/rescue.img", f"{web_server}/installer.iso")
    assert report["identity"] == "0"
    assert report["power"] == ["On", "Off", "On"]
    assert report["manager"] == ["BMC", "BMC"]
    assert report["drive"] == ["sticks/rescue.img", True, False]
    assert report["ejected"] == [None, False]
    assert report["remote"] == [f"{web_server}/installer.iso", "URI", True]
    assert "missing.iso" in report["refusal"]
    assert report["boot"] == ["Pxe", "Once"]
    assert report["boot_allowed"] == ["BiosSetup", "Cd", "Hdd", "None", "Pxe", "Usb"]


def test_dmtfs_validator_finds_nothing_wrong(secure: Any, tmp_path: Path) -> None:
    if not SCHEMAS.is_dir():
        pytest.skip(
            f"expected DMTF's schema files (DSP8010) at {SCHEMAS}, got none: set FARHAND_REDFISH_SCHEMAS"
        )
    schemas = tmp_path / "schemas"
    schemas.mkdir()
    for schema in SCHEMAS.glob("*.xml"):
        (schemas / schema.name).symlink_to(schema)
    # Those of our own properties come from the service.
    context = ssl.create_default_context(cafile=str(certificate_of(secure)))
    with httpx.Client(base_url=secure.url, verify=context) as client:
        metadata = client.get("/redfish/v1/$metadata").text
        for uri in re.findall(r'Uri="(/[^"]+)"', metadata):
            (schemas / uri.rpartition("/")[2]).write_text(client.get(uri).text)
    command: list[str | Path] = [CLIENTS / "rf_service_validator", "--rhost", secure.url.rstrip("/")]
    command += ["--user", secure.user, "--password", secure.password, "--skipschema"]
    command += ["--schema_directory", schemas, "--logdir", tmp_path / "logs"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=CLIENT_DEADLINE_S, cwd=tmp_path)
    counts = re.search(r"\|\D*(\d+)\D*\|\D*(\d+)\D*\|\D*(\d+)\D*\|\D*(\d+)\D*\|", ended.stdout)
    assert counts is not None, ended.stdout + ended.stderr
    passed, warned, failed, not_tested = map(int, counts.groups())
    print(f"Redfish validator: {passed} passed, {warned} warnings, {failed} failed, {not_tested} not tested")
    [log] = (tmp_path / "logs").glob("*/*.log")
    findings = [line for line in log.read_text().splitlines() if re.search(r" - (FAIL|WARN) - ", line)]
    # PiKVM's clients look for virtual media at the manager, from where Redfish has moved it meanwhile.
    unexpected = [line for line in findings if "Deprecated" not in line or "/VirtualMedia" not in line]
    assert (failed, unexpected) == (0, []), "\n".join(findings)
    assert warned == len(findings) - failed
    assert passed > 200
    assert ended.returncode == 0
