"""Has testssl.sh look at the appliance's TLS, and fails on a finding above LOW: `python -m tools.tls_check`.

With a certificate of a test's own authority, as an owner's would be: what is said of one that nobody signed,
as the appliance makes itself at its first start, says nothing of the server.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import trustme

STOP_DEADLINE_S: Final = 30
SCAN_DEADLINE_S: Final = 1500
NAME: Final = "localhost"
HARMLESS: Final = frozenset({"OK", "INFO", "LOW", "DEBUG"})
OF_THE_CERTIFICATE: Final = {
    "cert_revocation": "the authority of this test publishes no revocations",
    "cert_crlDistributionPoints": "the same",
    "cert_ocspURL": "the same",
    "OCSP_stapling": "the same",
    "DNS_CAArecord": "localhost has no records",
}
"""Findings that are about the certificate which the owner brings; why they are here."""


@contextmanager
def appliance(directory: Path) -> Iterator[str]:
    """Run one with a certificate of our own authority; yield its host and port."""
    authority = trustme.CA(organization_name="Farhand test")
    authority.cert_pem.write_to_path(directory / "authority.pem")
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    certificate = authority.issue_cert(NAME, not_before=now - day, not_after=now + 90 * day)
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(directory / "certificate.pem", append=True)
    certificate.private_key_pem.write_to_path(directory / "key.pem")
    (directory / "key.pem").chmod(0o600)
    config = directory / "config"
    config.mkdir()
    (config / "override.yaml").write_text(
        f"farhand: {{tls: {{certificate: {directory}/certificate.pem, key: {directory}/key.pem}}}}\n"
    )
    command = [
        str(Path(sys.executable).with_name("farhand")),
        *("run", "--board", "emulated", "--http", "", "--https", "127.0.0.1:0", "--log-level", "warning"),
        *("--config", str(config), "--state", str(directory / "state")),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"https://127\.0\.0\.1:(\d+)", process.stdout.readline())
        if found is None:
            sys.exit("the appliance did not start")
        yield f"{NAME}:{found[1]}"
    finally:
        process.terminate()
        process.wait(STOP_DEADLINE_S)


def main() -> None:
    """Scan, show what was found, and judge it."""
    program = shutil.which("testssl") or shutil.which("testssl.sh")
    if program is None:
        sys.exit("expected testssl.sh (Debian: apt-get install testssl.sh), found none")
    with tempfile.TemporaryDirectory(prefix="farhand-tls-") as name, appliance(Path(name)) as target:
        report = Path(name) / "report.json"
        command = [
            *(program, "--quiet", "--color", "0", "--nodns", "min", "--ip", "127.0.0.1"),
            *("--add-ca", f"{name}/authority.pem", "--jsonfile", str(report), "--warnings", "off", target),
        ]
        subprocess.run(command, stdout=subprocess.DEVNULL, timeout=SCAN_DEADLINE_S, check=False)
        findings = json.loads(report.read_text())
    if len(findings) < 50:
        sys.exit(f"testssl.sh did not come to its end: {findings}")
    bad = []
    for finding in findings:
        identity, severity, text = finding["id"].split(" ")[0], finding["severity"], finding["finding"]
        if severity not in ("OK", "INFO"):
            reason = OF_THE_CERTIFICATE.get(identity)
            print(f"{severity:8} {identity}: {text}" + (f" ({reason})" if reason else ""))
            if severity not in HARMLESS and reason is None:
                bad.append(identity)
    if bad:
        sys.exit(f"findings above LOW: {', '.join(bad)}")
    print(f"{len(findings)} findings, none above LOW")


if __name__ == "__main__":
    main()
