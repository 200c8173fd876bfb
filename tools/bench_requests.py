"""Requests per second of `/api/auth/check` by each kind of credentials, on one keep-alive connection."""

from __future__ import annotations

import http.client
import time
from base64 import b64encode

from tools.bench_appliance import CREDENTIALS, BenchAppliance


def _cookie(connection: http.client.HTTPConnection) -> str:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/api/auth/login", "user=admin&passwd=admin", form)
    answer = connection.getresponse()
    answer.read()
    return (answer.getheader("Set-Cookie") or "").split(";")[0]


def run(appliance: BenchAppliance, requests: int) -> list[str]:
    """Return a line for each kind of credentials, the cookie's rate being 1."""
    connection = http.client.HTTPConnection(appliance.host, appliance.port, timeout=30)
    kinds = {
        "cookie": {"Cookie": _cookie(connection)},
        "X-headers": CREDENTIALS,
        "Basic": {"Authorization": "Basic " + b64encode(b"admin:admin").decode()},
    }
    lines, base = [], 0.0
    for name, headers in kinds.items():
        cpu, began = appliance.cpu_s(), time.monotonic()
        for _ in range(requests):
            connection.request("GET", "/api/auth/check", headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
        rate = requests / (time.monotonic() - began)
        base = base or rate
        cpu_us = (appliance.cpu_s() - cpu) / requests * 1e6
        lines.append(
            f"{name:<10} {rate:6.0f} requests/s  {cpu_us:5.0f} us CPU each  {rate / base:4.2f} of cookie"
        )
    connection.close()
    return lines
