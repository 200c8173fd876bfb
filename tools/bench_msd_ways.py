"""The ways by which images come in, for the benchmark of mass storage.

Plain sockets, so that the other end costs as little as it can.
"""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from tools.bench_appliance import CREDENTIALS, BenchAppliance

MIB = 1 << 20
ANSWER_DEADLINE_S = 600


def ask(appliance: BenchAppliance, request: str, headers: dict[str, str], size_mib: int = 0) -> bytes:
    """Send a request with so many zeros and return the whole answer."""
    lines = [f"{request} HTTP/1.1", f"Host: {appliance.host}", f"Content-Length: {size_mib * MIB}"]
    lines += [f"{key}: {value}" for key, value in {**CREDENTIALS, **headers, "Connection": "close"}.items()]
    piece, answer = bytes(MIB), b""
    with socket.create_connection((appliance.host, appliance.port), timeout=ANSWER_DEADLINE_S) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        for _ in range(size_mib):
            connection.sendall(piece)
        while data := connection.recv(MIB):
            answer += data
    return answer


def upload(appliance: BenchAppliance, name: str, size_mib: int) -> None:
    """Upload an image of zeros."""
    answer = ask(appliance, f"POST /api/msd/write?image={name}&remove_incomplete=1", {}, size_mib)
    assert answer.startswith(b"HTTP/1.1 200 "), answer


def remote_download(appliance: BenchAppliance, name: str, size_mib: int) -> None:
    """Have an image of zeros fetched from a server in a process of its own."""
    with origin(size_mib) as url:
        answer = ask(appliance, f"POST /api/msd/write_remote?image={name}&url={quote(url, safe='')}", {})
    lines = [line for line in answer.splitlines() if line.startswith(b"{")]
    assert json.loads(lines[-1])["ok"], lines[-1]


def resumable_upload(appliance: BenchAppliance, name: str, size_mib: int) -> None:
    """Upload an image of zeros by tus, in one part."""
    tus = {"Tus-Resumable": "1.0.0"}
    about = {
        "Upload-Length": str(size_mib * MIB),
        "Upload-Metadata": "filename " + base64.b64encode(name.encode()).decode(),
    }
    answer = ask(appliance, "POST /api/msd/uploads", {**tus, **about})
    fields = dict(line.partition(b": ")[::2] for line in answer.lower().splitlines())
    part = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    answer = ask(appliance, f"PATCH {fields[b'location'].decode()}", {**tus, **part}, size_mib)
    assert answer.startswith(b"HTTP/1.1 204 "), answer


@contextmanager
def origin(size_mib: int) -> Iterator[str]:
    """Run a server that answers every request with so many zeros; gives its URL."""
    command = [sys.executable, "-m", "tools.bench_msd_ways", str(size_mib)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/bench.img"
        process.terminate()


def serve(size_mib: int) -> None:
    """Answer one request after the other, for ever."""
    piece = bytes(MIB)
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size_mib * MIB}\r\n\r\n".encode())
                for _ in range(size_mib):
                    connection.sendall(piece)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
