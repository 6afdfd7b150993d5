"""Supabase's two forms of API key: minting them for the sandbox, and checking them as the platform does (X2)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

TEN_YEARS = timedelta(days=3652)


@dataclass(frozen=True)
class Keys:
    """What the platform knows: the secret that signs legacy keys, and the one ``sb_secret_…`` key."""

    jwt_secret: str
    secret_key: str


@dataclass(frozen=True)
class Refusal:
    """Why a request may not pass; ``code`` goes into the body and the ``sb-error-code`` header."""

    code: str
    message: str


#: The gateway on a legacy key that is expired or signed with another secret, and a function on any it does not know.
EXPIRED = Refusal("UNAUTHORIZED_LEGACY_JWT", "Invalid JWT")
UNKNOWN = Refusal("UNAUTHORIZED", "neither a valid legacy key nor the secret key was sent")


def legacy_key(secret: str, role: str = "service_role", *, now: datetime | None = None) -> str:
    """A legacy API key: an HS256 JWT with ``iat`` and ``exp`` ten years apart, as Supabase issues them."""
    issued = now or datetime.now(UTC)
    return jwt.encode({"iss": "supabase", "role": role, "iat": issued, "exp": issued + TEN_YEARS}, secret, "HS256")


def secret_key() -> str:
    """A new-style API key; it is no JWT and says nothing about itself."""
    return f"sb_secret_{secrets.token_urlsafe(24)}"


def at_the_gateway(headers: Mapping[str, str], keys: Keys) -> Refusal | None:
    """The platform's own check where ``verify_jwt`` is on: it looks at ``Authorization`` only."""
    authorization = headers.get("authorization")
    if not authorization:
        return Refusal("UNAUTHORIZED_NO_AUTH_HEADER", "Missing authorization header")
    try:
        _verify(_bearer(authorization), keys)
    except (jwt.InvalidSignatureError, jwt.ExpiredSignatureError, jwt.ImmatureSignatureError):
        return EXPIRED
    except jwt.InvalidTokenError:
        return Refusal("UNAUTHORIZED_INVALID_JWT_FORMAT", "Invalid Token or Protected Header formatting")
    return None


def in_the_function(headers: Mapping[str, str], keys: Keys) -> Refusal | None:
    """The function's check where ``verify_jwt`` is off: the secret key in ``apikey``, or a valid legacy key."""
    apikey = headers.get("apikey", "")
    if hmac.compare_digest(apikey.encode(), keys.secret_key.encode()):
        return None
    for candidate in (apikey, _bearer(headers.get("authorization", ""))):
        try:
            _verify(candidate, keys)
        except jwt.InvalidTokenError:
            continue
        return None
    return UNKNOWN


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _verify(token: str, keys: Keys) -> None:
    jwt.decode(token, keys.jwt_secret, ["HS256"], options={"require": ["exp"], "verify_aud": False})
