"""TLS: the board's own certificate, what is negotiated, and the redirect to it."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path
from typing import Any

import pytest
import trio
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from api.server import Bind, Limits, PlainHttp, ensure_certificate
from api.server.certificate import check_pair
from api.server.redirect import redirect_app
from firmware.core.errors import SetupError

PATIENCE_S = 30
HTTPS: dict[str, Any] = {"https": (Bind("127.0.0.1", 0),), "http": ()}
BOTH: dict[str, Any] = {
    "https": (Bind("127.0.0.1", 0),),
    "http": (Bind("127.0.0.1", 0),),
    "plain_http": PlainHttp.REDIRECT,
}


def load(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_the_first_start_makes_a_certificate_and_keeps_it(tmp_path: Path) -> None:
    directory = tmp_path / "state" / "tls"
    certificate, key = ensure_certificate(
        directory, ["kvm-7", "kvm-7.example", "192.0.2.9", "bücher.example"]
    )
    made = load(certificate)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "kvm-7",
        "kvm-7.example",
        "xn--bcher-kva.example",
        "localhost",
    ]
    assert [str(item) for item in names.get_values_for_type(x509.IPAddress)] == [
        "192.0.2.9",
        "127.0.0.1",
        "::1",
    ]
    public = made.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp256r1"
    assert made.not_valid_after_utc - made.not_valid_before_utc <= dt.timedelta(days=825)
    assert key.stat().st_mode & 0o777 == 0o600
    assert sorted(item.name for item in directory.iterdir()) == ["certificate.pem", "key.pem"]
    before = (certificate.read_bytes(), key.read_bytes())
    assert ensure_certificate(directory, ["another-name"]) == (certificate, key)
    assert (certificate.read_bytes(), key.read_bytes()) == before


def test_a_name_that_cannot_stand_in_a_certificate_is_left_out(tmp_path: Path) -> None:
    certificate, _ = ensure_certificate(tmp_path, ["x" * 100, "", "kvm"])
    names = load(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["kvm", "localhost"]


async def test_the_boards_own_certificate_is_one_a_client_can_pin(tmp_path: Path, start: Any) -> None:
    pair = ensure_certificate(tmp_path, ["kvm"])
    running = await start(**HTTPS, certificate=pair)
    context = ssl.create_default_context(cafile=pair[0])
    plain = await trio.open_tcp_stream("127.0.0.1", running.addresses.https[0].port)
    stream = trio.SSLStream(plain, context, server_hostname="localhost", https_compatible=True)
    await stream.send_all(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    received = bytearray()
    while data := await stream.receive_some():
        received += data
    assert received.endswith(b"hello")
    await stream.aclose()


def test_a_first_start_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(tmp_path, ["kvm"])
    certificate.unlink()
    kept = key.read_bytes()
    ensure_certificate(tmp_path, ["kvm"])
    check_pair(certificate, key)
    assert key.read_bytes() == kept


def write_pair(directory: Path, *, ends: dt.datetime, organization: str) -> None:
    """A self-signed pair as somebody (or we, long ago) might have made it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, organization)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ends - dt.timedelta(days=10))
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (directory / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def test_our_own_certificate_is_renewed_with_its_key(tmp_path: Path) -> None:
    ends = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    write_pair(tmp_path, ends=ends, organization="Farhand self-signed")
    kept = (tmp_path / "key.pem").read_bytes()
    certificate, key = ensure_certificate(tmp_path, ["kvm"])
    assert load(certificate).not_valid_after_utc > dt.datetime.now(dt.UTC) + dt.timedelta(days=300)
    assert key.read_bytes() == kept
    check_pair(certificate, key)


def test_somebody_elses_certificate_that_ended_is_refused_not_replaced(tmp_path: Path) -> None:
    write_pair(tmp_path, ends=dt.datetime(2026, 11, 2, tzinfo=dt.UTC), organization="Example")
    before = (tmp_path / "certificate.pem").read_bytes()
    with pytest.raises(SetupError, match=r"certificate\.pem ended on 2026-11-02; replace both files"):
        ensure_certificate(tmp_path, ["kvm"])
    assert (tmp_path / "certificate.pem").read_bytes() == before


def test_bad_files_are_one_line_that_says_how_to_mend_it(tmp_path: Path) -> None:
    certificate, key = ensure_certificate(tmp_path / "a", ["kvm"])
    _, other_key = ensure_certificate(tmp_path / "b", ["kvm"])
    good_certificate, good_key = certificate.read_bytes(), key.read_bytes()

    def complaint() -> str:
        with pytest.raises(SetupError) as caught:
            ensure_certificate(tmp_path / "a", ["kvm"])
        assert "\n" not in str(caught.value)
        return str(caught.value)

    key.write_bytes(other_key.read_bytes())
    assert "does not belong to the certificate" in complaint()
    key.write_bytes(b"nonsense")
    assert "expected a PEM private key" in complaint()
    private = serialization.load_pem_private_key(good_key, None)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        )
    )
    assert "needs a password" in complaint()
    key.unlink()
    assert "expected a private key" in complaint()
    key.write_bytes(good_key)
    certificate.write_bytes(b"nonsense")
    assert "expected a PEM certificate" in complaint()
    certificate.write_bytes(good_certificate)
    check_pair(certificate, key)
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(SetupError, match="cannot use the certificate directory"):
        ensure_certificate(tmp_path / "file", ["kvm"])


async def test_https_serves_the_application_as_http_1_1_only(start: Any) -> None:
    running = await start(**HTTPS)
    client = await running.connect_tls(alpn=["h2", "http/1.1"])
    assert client.stream.selected_alpn_protocol() == "http/1.1"
    assert client.stream.version() == "TLSv1.3"
    for _ in range(3):
        assert (await client.get("/hello")).body == b"hello"
    insistent = await running.connect_tls(alpn=["h2"])
    assert insistent.stream.selected_alpn_protocol() is None
    await insistent.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert (await insistent.answer()).status == 505


async def test_tls_before_1_2_is_refused(start: Any) -> None:
    running = await start(**HTTPS)
    with pytest.warns(DeprecationWarning, match="TLSv1"), pytest.raises(trio.BrokenResourceError):
        await running.connect_tls(
            minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1
        )
    client = await running.connect_tls(maximum_version=ssl.TLSVersion.TLSv1_2)
    assert client.stream.version() == "TLSv1.2"
    assert (await client.get("/hello")).status == 200


async def test_a_websocket_over_tls(start: Any) -> None:
    running = await start(**HTTPS)
    client = await running.connect_tls()
    assert (await client.upgrade("/echo")).startswith(b"HTTP/1.1 101")
    await client.send_frame(2, bytes(70_000))
    assert await client.frame() == (2, bytes(70_000))


async def test_a_client_that_does_not_speak_tls_is_closed(start: Any) -> None:
    running = await start(**HTTPS, limits=Limits(tls_handshake_s=0.1))
    speaks_http, silent = await running.connect(), await running.connect()
    await speaks_http.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await speaks_http.read_to_end()
    assert await silent.is_closed()
    await running.until(lambda: running.server.statistics().open_connections == 0)
    assert running.server.statistics().tls_failed == 2


async def test_a_corrupt_record_ends_that_connection_only(start: Any) -> None:
    running = await start(**HTTPS)
    client = await running.connect_tls()
    assert (await client.get("/hello")).status == 200
    await client.stream.transport_stream.send_all(b"\x17\x03\x03\x00\x05wrong")
    await running.until(lambda: running.server.statistics().open_connections == 0)
    assert (await (await running.connect_tls()).get("/hello")).status == 200


async def test_a_stalled_tls_reader_does_not_hold_the_stop(start: Any) -> None:
    running = await start(**HTTPS, limits=Limits(shutdown_grace_s=0.3, send_s=1000))
    client = await running.connect_tls()
    await client.send(b"GET /flood HTTP/1.1\r\nHost: x\r\n\r\n")
    await running.probe.wait_for("flood started")
    await trio.sleep(0.05)  # until nothing more fits
    await running.stop()
    assert "flood ended" in running.probe.events


@pytest.mark.parametrize(
    ("host", "location_host"),
    [
        ("kvm.example", "kvm.example"),
        ("kvm.example:8080", "kvm.example"),
        ("KVM-1", "KVM-1"),
        ("192.0.2.1:80", "192.0.2.1"),
        ("[2001:db8::1]:80", "[2001:db8::1]"),
        ("evil.example/path", "127.0.0.1"),
        ("user@evil.example", "127.0.0.1"),
        ("a b", "127.0.0.1"),
        ("x" * 300, "127.0.0.1"),
        ("", "127.0.0.1"),
    ],
)
async def test_plain_http_redirects_to_https(start: Any, host: str, location_host: str) -> None:
    running = await start(**BOTH)
    client = await running.connect()
    await client.send(f"GET /api/info?fields=a%20b&x HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    answer = await client.answer()
    assert answer.status == 301
    port = running.addresses.https[0].port
    assert answer.headers["location"] == f"https://{location_host}:{port}/api/info?fields=a%20b&x"
    secure = await running.connect_tls()
    assert (await secure.get("/hello")).body == b"hello"


async def test_the_redirect_answers_everything(start: Any) -> None:
    running = await start(**BOTH)
    client = await running.connect()
    await client.send(b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
    assert (await client.answer("POST")).status == 301
    socket = await running.connect()
    assert (await socket.upgrade("/api/ws")).startswith(b"HTTP/1.1 301")
    old = await running.connect()
    await old.send(b"GET // HTTP/1.0\r\n\r\n")
    assert (await old.answer()).headers[
        "location"
    ] == f"https://127.0.0.1:{running.addresses.https[0].port}//"


async def test_the_redirect_leaves_out_the_usual_port() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the redirect reads nothing")

    scope = {
        "type": "http",
        "headers": [(b"host", b"kvm")],
        "raw_path": b"/a",
        "query_string": b"",
        "server": ("::1", 1),
    }
    await redirect_app(443)(scope, receive, send)
    assert dict(sent[0]["headers"])[b"location"] == b"https://kvm/a"
    await redirect_app(443)({**scope, "headers": []}, receive, send)
    assert dict(sent[2]["headers"])[b"location"] == b"https://[::1]/a"


async def test_a_certificate_that_is_replaced_is_used_without_a_restart(
    start: Any, authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate, key = tmp_path / "chain.pem", tmp_path / "key.pem"

    def put(serial: int) -> x509.Certificate:
        issued = authority.issue_cert("localhost", common_name=f"number {serial}")
        issued.private_key_pem.write_to_path(key)
        issued.cert_chain_pems[0].write_to_path(certificate)
        return load(certificate)

    async def shown() -> x509.Certificate:
        client = await running.connect_tls()
        return x509.load_der_x509_certificate(client.stream.getpeercert(binary_form=True))

    async def until_shown(wanted: x509.Certificate) -> None:
        with trio.fail_after(PATIENCE_S):
            while await shown() != wanted:
                await trio.sleep(0.02)

    first = put(1)
    running = await start(**HTTPS, certificate=(certificate, key), limits=Limits(certificate_look_s=0.02))
    old = await running.connect_tls()
    assert await shown() == first
    second = put(2)
    await until_shown(second)
    assert (await old.get("/hello")).body == b"hello"

    key.write_text("nonsense")
    with trio.fail_after(PATIENCE_S):
        while "one that cannot be used" not in caplog.text:
            await trio.sleep(0.02)
    assert await shown() == second
    await until_shown(put(3))


async def test_an_acme_clients_challenges_are_shown_and_nothing_else(start: Any, tmp_path: Path) -> None:
    challenges = tmp_path / "webroot" / ".well-known" / "acme-challenge"
    challenges.mkdir(parents=True)
    (challenges / "evaGxfADs6pSRb2LAv9IZ").write_text("evaGxfADs6pSRb2LAv9IZ.9jg46WB3rR")
    (tmp_path / "secret").write_text("secret")
    (challenges / "link").symlink_to(tmp_path / "secret")
    (challenges / "long").write_bytes(bytes(2000))
    (challenges / "directory").mkdir()
    running = await start(**BOTH, acme_webroot=tmp_path / "webroot")
    answer = await running.get("/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZ")
    assert (answer.status, answer.body) == (200, b"evaGxfADs6pSRb2LAv9IZ.9jg46WB3rR")
    for name in ("none", "link", "long", "directory"):
        assert (await running.get(f"/.well-known/acme-challenge/{name}")).status == 404
    for path in (
        "/.well-known/acme-challenge/",
        "/.well-known/acme-challenge/../../../secret",
        "/.well-known/",
    ):
        assert (await running.get(path)).status == 301


async def test_without_an_acme_client_there_are_no_challenges(start: Any) -> None:
    running = await start(**BOTH)
    assert (await running.get("/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZ")).status == 301
