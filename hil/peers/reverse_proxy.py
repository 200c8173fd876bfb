"""Debian's Apache as a reverse proxy below a path, as people put one in front of an appliance."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

APACHE: Final = "/usr/sbin/apache2"
_MODULES: Final = "/usr/lib/apache2/modules"
_DEADLINE_S: Final = 30.0

_CONFIGURATION: Final = """
ServerRoot {directory}
ServerName proxy.test
Listen 127.0.0.1:{port}
PidFile {directory}/pid
ErrorLog {directory}/errors
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule proxy_module {modules}/mod_proxy.so
LoadModule proxy_http_module {modules}/mod_proxy_http.so
ProxyPass {path} {upstream} upgrade=websocket
ProxyPassReverse {path} {upstream}
ProxyPassReverseCookiePath / {path}
"""


class ReverseProxy:
    """Passes what is below a path on to another server; can be stopped and started again on its port."""

    def __init__(self, directory: Path, path: str, upstream: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self._port: int = server.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}{path}"
        self._file = directory / "proxy.conf"
        self._file.write_text(
            _CONFIGURATION.format(
                directory=directory, port=self._port, modules=_MODULES, path=path, upstream=upstream
            )
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Listen; returns as soon as it does."""
        self._process = subprocess.Popen([APACHE, "-X", "-f", str(self._file)])
        end = time.monotonic() + _DEADLINE_S
        while not self._listens():
            assert self._process.poll() is None, "Apache did not start"
            assert time.monotonic() < end, "Apache does not listen"
            time.sleep(0.05)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port)).close()
        except ConnectionError:
            return False
        return True

    def stop(self) -> None:
        """Cut every connection."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def reverse_proxy(directory: Path, path: str, upstream: str) -> Iterator[ReverseProxy]:
    """A running one; *path* and *upstream* end with a slash."""
    proxy = ReverseProxy(directory, path, upstream)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
