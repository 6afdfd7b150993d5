"""Ed25519 keys: made, matched with what config pins, used to sign and to verify. Pure; the clock is an argument."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from upkeep.settings.base import ConfigError
from upkeep.settings.signing import Signing

HOW = "`python -m upkeep ledger keygen` makes one and says where its two halves go"


@dataclass(frozen=True)
class Signer:
    """The key that rows are signed with, by the id that config pins its public half under."""

    key_id: str
    private: Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes) -> str:
        """The signature, base64."""
        return base64.b64encode(self.private.sign(message)).decode()


def generate() -> tuple[str, str]:
    """(private, public) halves of a new key, base64."""
    private = Ed25519PrivateKey.generate()
    return base64.b64encode(private.private_bytes_raw()).decode(), public_of(private)


def public_of(private: Ed25519PrivateKey) -> str:
    """The public half, base64."""
    return base64.b64encode(private.public_key().public_bytes_raw()).decode()


def private_of(secret: str) -> Ed25519PrivateKey:
    """The key of its private half. Raises ValueError for anything but base64 of 32 bytes."""
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret, validate=True))


def signer(signing: Signing, secret: str | None, now: datetime) -> Signer:
    """The signer of a private half. Raises ConfigError unless config pins its public half and it is not retired."""
    pinned(signing)
    try:
        private = private_of(secret or "")
    except ValueError:  # binascii.Error is one
        raise ConfigError(
            f"Connection {signing.connection!r}: found no Ed25519 key in its password, expected base64 of its 32 "
            f"bytes; {HOW}"
        ) from None
    public = public_of(private)
    for key_id, key in signing.keys.items():
        if key.public != public:
            continue
        if key.until is not None and now >= key.until:
            raise ConfigError(
                f"config/maintenance.yaml: ledger.signing.keys.{key_id}.until: found {key.until}, which is over, "
                f"expected another key in Connection {signing.connection!r}; {HOW}"
            )
        return Signer(key_id, private)
    raise ConfigError(
        f"config/maintenance.yaml: ledger.signing.keys: found {sorted(signing.keys)}, none of them {public}, expected "
        f"the public half of the key in Connection {signing.connection!r} among them"
    )


def pinned(signing: Signing) -> None:
    """Raises ConfigError where config pins no key."""
    if not signing.keys:
        raise ConfigError(
            "config/maintenance.yaml: ledger.signing.keys: found none, expected the public half of the key that signs "
            f"the ledger's rows; {HOW}"
        )


@lru_cache(maxsize=10_000)
def fits(public: str, signature: str, message: bytes) -> bool:
    """Whether a signature is that key's over exactly this message; the same question has the same answer."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public))
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
