"""The board's own TLS certificate: made at the first start, kept, and renewed before it ends.

Self-signed, because nobody else can vouch for a board in somebody's cupboard. A pair that somebody else has
put in its place is only checked, never changed. Blocking file work: call it before the event loop runs, or
in a thread.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import logging
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from firmware.core.errors import SetupError
from firmware.core.files import make_directory, replace

logger = logging.getLogger(__name__)

CERTIFICATE_NAME = "certificate.pem"
KEY_NAME = "key.pem"

VALIDITY = dt.timedelta(days=800)
"""Apple's browsers refuse a server certificate valid for more than 825 days, even one trusted by hand."""

RENEW_BEFORE = dt.timedelta(days=60)
"""A board that is restarted every other month never shows an expired certificate."""

CLOCK_FLOOR = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
"""No board runs this before it was written: a clock that says so has no battery, and is not believed."""

_CERTIFICATE_MODE = 0o644
_ISSUED_BY_US = "Farhand self-signed"
_COMMON_NAME_CHARACTERS = 64  # RFC 5280, ub-common-name


def ensure_certificate(directory: Path, host_names: Iterable[str]) -> tuple[Path, Path]:
    """Return (certificate, key), PEM files in *directory*, after making or checking them.

    A new certificate is for *host_names*, localhost, 127.0.0.1 and ::1. Our own is renewed, with the same
    key, when it is about to end. SetupError if files are there that cannot be used.
    """
    certificate_path, key_path = directory / CERTIFICATE_NAME, directory / KEY_NAME
    now = max(dt.datetime.now(dt.UTC), CLOCK_FLOOR)
    try:
        make_directory(directory, mode=0o755)
        if not certificate_path.exists():
            # A key alone is what a first start leaves that lost its power half-way; it is as good as new.
            key = _load_key(key_path) if key_path.exists() else ec.generate_private_key(ec.SECP256R1())
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise SetupError(
                    f"expected {certificate_path} beside {key_path}, found none; add it or remove the key"
                )
            replace(key_path, _key_pem(key))
            replace(certificate_path, _issue(key, host_names, now), mode=_CERTIFICATE_MODE)
            logger.info("made a self-signed certificate, %s", certificate_path)
        elif not key_path.exists():
            raise SetupError(
                f"expected a private key at {key_path} beside {certificate_path}, found none; "
                "add it, or remove the certificate to have a new pair made"
            )
        else:
            _check(certificate_path, key_path, host_names, now)
    except OSError as exc:
        raise SetupError(
            f"cannot use the certificate directory {directory}: {exc.strerror}; "
            "make it a directory that the appliance may write to"
        ) from exc
    return certificate_path, key_path


def check_pair(certificate_path: Path, key_path: Path) -> None:
    """Raise SetupError unless the two PEM files are a usable certificate and its key."""
    try:
        _check_usable(certificate_path, key_path, max(dt.datetime.now(dt.UTC), CLOCK_FLOOR))
    except OSError as exc:
        raise SetupError(
            f"cannot read {exc.filename}: {exc.strerror}; check its path and permissions"
        ) from exc


def _check(certificate_path: Path, key_path: Path, host_names: Iterable[str], now: dt.datetime) -> None:
    certificate = _load_certificate(certificate_path)
    key = _load_key(key_path)
    renewable = _is_ours(certificate) and isinstance(key, ec.EllipticCurvePrivateKey)
    if (
        renewable
        and certificate.not_valid_after_utc - now < RENEW_BEFORE
        and _belong_together(certificate, key)
    ):
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        replace(certificate_path, _issue(key, host_names, now), mode=_CERTIFICATE_MODE)
        logger.info("renewed the self-signed certificate, %s", certificate_path)
    _check_usable(certificate_path, key_path, now)


def _check_usable(certificate_path: Path, key_path: Path, now: dt.datetime) -> None:
    certificate = _load_certificate(certificate_path)
    key = _load_key(key_path)
    mend = "replace both files with a matching pair, or remove both to have a new one made"
    if not _belong_together(certificate, key):
        raise SetupError(f"the key {key_path} does not belong to the certificate {certificate_path}; {mend}")
    if certificate.not_valid_after_utc <= now:
        ended = certificate.not_valid_after_utc.date().isoformat()
        raise SetupError(f"the certificate {certificate_path} ended on {ended}; {mend}")
    if certificate.not_valid_before_utc > now:
        # Many boards have no clock of their own and learn the time later: not a reason to lock anybody out.
        logger.warning("the certificate %s is not valid yet; is the clock right?", certificate_path)


def _load_certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as exc:
        raise SetupError(
            f"expected a PEM certificate in {path}, got something else; "
            "replace it, or remove certificate and key to have a new pair made"
        ) from exc


def _load_key(path: Path) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except TypeError as exc:
        raise SetupError(
            f"the private key {path} needs a password; store it without one, readable by us only"
        ) from exc
    except ValueError as exc:
        raise SetupError(
            f"expected a PEM private key in {path}, got something else; "
            "replace it, or remove certificate and key to have a new pair made"
        ) from exc


def _belong_together(certificate: x509.Certificate, key: PrivateKeyTypes) -> bool:
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return certificate.public_key().public_bytes(encoding, form) == key.public_key().public_bytes(
        encoding, form
    )


def _is_ours(certificate: x509.Certificate) -> bool:
    organizations = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return certificate.issuer == certificate.subject and [item.value for item in organizations] == [
        _ISSUED_BY_US
    ]


def _issue(key: ec.EllipticCurvePrivateKey, host_names: Iterable[str], now: dt.datetime) -> bytes:
    """Return a new self-signed certificate as PEM."""
    names = _alternative_names(host_names)
    common_name = str(names[0].value)[:_COMMON_NAME_CHARACTERS]
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ISSUED_BY_US),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A day back, for clients whose clock is behind.
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _alternative_names(host_names: Iterable[str]) -> list[x509.GeneralName]:
    names: dict[str, x509.GeneralName] = {}
    for name in (*host_names, "localhost", "127.0.0.1", "::1"):
        try:
            names[name] = x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            ascii_name = _idna(name)
            if ascii_name:
                names[name] = x509.DNSName(ascii_name)
            else:
                logger.warning("the host name %r cannot stand in a certificate; left out", name)
    return list(names.values())


def _idna(name: str) -> str:
    """Return *name* as DNS has it, or "" if it cannot be a DNS name."""
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError:
        return ""


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
