"""``ledger.signing``: with which key the ledger's rows are signed, and which public keys they verify with."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Annotated

from pydantic import AwareDatetime, Field, field_validator

from upkeep.settings.base import ConnectionId, FrozenModel

KeyId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")]


class SigningKey(FrozenModel):
    """The public half of an Ed25519 key, base64 of its 32 bytes; what it signs from ``until`` on does not count."""

    public: str
    until: AwareDatetime | None = None

    @field_validator("public")
    @classmethod
    def _thirty_two_bytes(cls, value: str) -> str:
        try:
            length = len(base64.b64decode(value, validate=True))
        except (binascii.Error, ValueError):
            length = 0
        if length != 32:
            raise ValueError(
                f"found {value[:60]!r}, expected base64 of the 32 bytes of an Ed25519 public key, as "
                "`python -m upkeep ledger keygen` prints it"
            )
        return value


class Signing(FrozenModel):
    """``connection`` holds the private key that is in use (environment or secrets backend only), ``keys`` are pinned.

    Without a key nothing is asked and nothing applied. A key that was rotated out stays here, with its ``until``.
    """

    connection: ConnectionId = "upkeep_signing"
    keys: Mapping[KeyId, SigningKey] = Field(default_factory=dict)

    @field_validator("keys")
    @classmethod
    def _each_once(cls, value: Mapping[str, SigningKey]) -> Mapping[str, SigningKey]:
        publics = [key.public for key in value.values()]
        if twice := sorted(name for name, key in value.items() if publics.count(key.public) > 1):
            raise ValueError(f"found one public key under {twice}, expected another under each id")
        return value
