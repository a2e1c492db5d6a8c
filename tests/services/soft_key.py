"""A security key in software: it answers what a browser would hand to one, and can be made to answer wrongly."""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any, cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2.cose import ES256
from fido2.utils import sha256, websafe_decode, websafe_encode
from fido2.webauthn import Aaguid, AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

ORIGIN = "http://localhost:8000"
FLAG = AuthenticatorData.FLAG


@dataclass(kw_only=True)
class SoftKey:
    """One key: its secret, and how often it has signed (0 where it does not count, as passkeys do not)."""

    origin: str = ORIGIN
    rp_id: str = "localhost"
    count: int = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _secret: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def make(self, options: str) -> str:
        """Return what a browser sends of a new key."""
        asked = json.loads(options)["publicKey"]
        made = AttestedCredentialData.create(
            Aaguid.NONE, self.credential_id, cast("Any", ES256).from_cryptography_key(self._public())
        )
        facts = AuthenticatorData.create(sha256(self.rp_id.encode()), FLAG.UP | FLAG.AT, self.count, made)
        client = self._client("webauthn.create", asked["challenge"])
        stated = AttestationObject.create("none", facts, {})
        return self._sent({"clientDataJSON": client.b64, "attestationObject": websafe_encode(stated)})

    def sign(self, options: str) -> str:
        """Return what a browser sends of what a key has signed."""
        asked = json.loads(options)["publicKey"]
        self.count += 1 if self.count else 0
        facts = AuthenticatorData.create(sha256(self.rp_id.encode()), FLAG.UP, self.count)
        client = self._client("webauthn.get", asked["challenge"])
        signature = self._secret.sign(facts + client.hash, ec.ECDSA(hashes.SHA256()))
        return self._sent(
            {
                "clientDataJSON": client.b64,
                "authenticatorData": websafe_encode(facts),
                "signature": websafe_encode(signature),
            }
        )

    def _public(self) -> ec.EllipticCurvePublicKey:
        return self._secret.public_key()

    def _client(self, kind: str, challenge: str) -> CollectedClientData:
        return CollectedClientData.create(type=kind, challenge=websafe_decode(challenge), origin=self.origin)

    def _sent(self, response: dict[str, Any]) -> str:
        name = websafe_encode(self.credential_id)
        return json.dumps(
            {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}
        )
