"""An authenticator in software for tests: it makes passkeys and signs, and can be told to do it wrongly."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

FLAG = AuthenticatorData.FLAG


@dataclass
class SoftwareAuthenticator:
    """One device with one passkey."""

    origin: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(32))
    counter: int = 0
    step: int = 1
    """What each signature adds to the counter."""
    verifies_users: bool = True
    rp_id: str | None = None
    """The host that it takes instead of the one that it is told."""
    handle: bytes = b""

    def make(self, options: dict[str, Any]) -> bytes:
        """Answer `navigator.credentials.create`, as JSON."""
        self.handle = websafe_decode(options["user"]["id"])
        credential = AttestedCredentialData.create(
            bytes(16),
            self.credential_id,
            ES256.from_cryptography_key(self.key.public_key()),  # type: ignore[no-untyped-call]  # fido2 has no types here
        )
        data = self._data(options["rp"]["id"], FLAG.AT, credential)
        response = {
            "clientDataJSON": self._client_data("webauthn.create", options),
            "attestationObject": websafe_encode(AttestationObject.create("none", data, {})),
        }
        return self._answer(response)

    def sign(self, options: dict[str, Any]) -> bytes:
        """Answer `navigator.credentials.get`, as JSON."""
        data = self._data(options["rpId"], FLAG(0))
        client_data = self._client_data("webauthn.get", options)
        signed = data + hashlib.sha256(websafe_decode(client_data)).digest()
        response = {
            "clientDataJSON": client_data,
            "authenticatorData": websafe_encode(data),
            "signature": websafe_encode(self.key.sign(signed, ec.ECDSA(hashes.SHA256()))),
            "userHandle": websafe_encode(self.handle),
        }
        return self._answer(response)

    def _data(self, rp_id: str, flags: AuthenticatorData.FLAG, credential: bytes = b"") -> AuthenticatorData:
        self.counter += self.step
        flags |= FLAG.UP | (FLAG.UV if self.verifies_users else FLAG(0))
        rp_hash = hashlib.sha256((self.rp_id or rp_id).encode()).digest()
        made: AuthenticatorData = AuthenticatorData.create(rp_hash, flags, self.counter, credential)
        return made

    def _client_data(self, kind: str, options: dict[str, Any]) -> str:
        data = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return websafe_encode(json.dumps(data).encode())

    def _answer(self, response: dict[str, str]) -> bytes:
        name = websafe_encode(self.credential_id)
        document = {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "response": response,
            "clientExtensionResults": {},
            "authenticatorAttachment": "platform",
        }
        return json.dumps(document).encode()
