"""The age of an API key (G80), from what the key says of itself or config of it. Pure.

A legacy key is a JWT with ``iat`` and ``exp`` (RFC 7519); its signature is not checked: whether the key works, the
calls of each window show. The newer ``sb_secret_…`` and ``sb_publishable_…`` carry no date. Of a key nothing but these
two times and its role is ever taken out, so that nothing else of it can reach a finding or a log.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.ledger.write import LookResult
from upkeep.settings.keys import Keys
from upkeep.settings.load import Settings

GUIDE = "G80"
#: The platform's clock may be ahead of this host's by this much.
SKEW = timedelta(minutes=5)
_DAY = timedelta(days=1)
_RENEW = "Make a new key, give it to every program that uses this one, then revoke this one."
#: A JWT: three parts in base64url.
_JWT = re.compile(r"[\w-]+\.([\w-]+)\.[\w-]+", re.ASCII)
_OPAQUE = re.compile(r"(sb_secret|sb_publishable)_[\w-]+", re.ASCII)
#: What a role may look like; another text might be anything.
_ROLE = re.compile(r"[a-z][a-z_]{0,39}")


class _UnreadableError(ValueError):
    """A key that is none; the message says what is wrong with it and quotes nothing of it."""


@dataclass(frozen=True)
class Claims:
    """What a key says of itself; ``form`` is what kind of key it is, for people."""

    form: str
    issued: datetime | None = None
    expires: datetime | None = None
    dated: bool = False


def judged(name: str, key: str, config: Keys, now: datetime) -> tuple[tuple[Finding, ...], tuple[Sample, ...]]:
    """What is to be said about the key of the Connection ``name``, and its age in days where it is known."""
    try:
        claims = _claims(key)
    except _UnreadableError as error:
        return (_form(name, str(error)),), ()
    findings = [_expiry(name, claims, config, now)] if claims.dated else []
    rotated = config.rotated.get(name)
    told = datetime.combine(rotated, time(), UTC) if rotated else None
    if claims.issued and told and told - claims.issued > _DAY:
        findings.append(_not_the_new_one(name, claims.issued, told))
    since = claims.issued or told
    findings.append(_age(name, claims, since, config, now))
    known = since is not None and since <= now + SKEW
    samples = (Sample("api_key_age", max((now - since) / _DAY, 0.0), "days", name),) if since and known else ()
    return tuple(findings), samples


def _claims(key: str) -> Claims:
    """What kind of key it is and its times. Raises _UnreadableError, which never quotes the key."""
    if not key:
        raise _UnreadableError("the Connection has no password, and so no key")
    if opaque := _OPAQUE.fullmatch(key):
        return Claims(f"{opaque[1]}_… key")
    if not (token := _JWT.fullmatch(key)):
        raise _UnreadableError("it is neither a JWT nor begins with sb_secret_ or sb_publishable_")
    content = _payload(token[1])
    role = content.get("role")
    said = f" of role {role}" if isinstance(role, str) and _ROLE.fullmatch(role) else ""
    issued, expires = _moment(content, "iat"), _moment(content, "exp")
    if issued and expires and expires <= issued:
        raise _UnreadableError("its exp is not after its iat")
    return Claims(f"legacy key (JWT){said}", issued, expires, dated=True)


def _payload(part: str) -> dict[str, Any]:
    try:
        content = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        # Not "from error": the message of a JSON error may be followed by what it was about.
        raise _UnreadableError("it looks like a JWT, and its middle part is no JSON") from None
    if not isinstance(content, dict):
        raise _UnreadableError("it looks like a JWT, and its middle part is no JSON object")
    return content


def _moment(content: dict[str, Any], name: str) -> datetime | None:
    seconds = content.get(name)
    if seconds is None:
        return None
    try:
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise TypeError
        return datetime.fromtimestamp(seconds, UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise _UnreadableError(f"its {name} is no time in seconds since 1970") from None


def _form(name: str, problem: str) -> Finding:
    return _finding(
        name,
        "form",
        Level.WARNING,
        f"cannot be a key of the platform: {problem}",
        "a legacy key (JWT) or one that begins with sb_secret_ or sb_publishable_, nothing around it",
        f"Put the key into the password of Connection {name!r} anew, without spaces or line ends.",
    )


def _expiry(name: str, claims: Claims, config: Keys, now: datetime) -> Finding:
    days = config.expiry_warning_days
    if claims.expires is None:
        level, said = Level.ADVISORY, "never expires: only rotation ends it"
    elif claims.expires <= now:
        level, said = Level.CRITICAL, f"expired on {claims.expires:%Y-%m-%d %H:%M} UTC"
    else:
        left = (claims.expires - now) / _DAY
        level = Level.WARNING if left <= days else Level.OK
        said = f"expires on {claims.expires:%Y-%m-%d}, in {left:.0f} days"
    return _finding(
        name,
        "expiry",
        level,
        f"{claims.form}: {said}",
        f"more than {days} days left",
        _RENEW,
    )


def _not_the_new_one(name: str, issued: datetime, told: datetime) -> Finding:
    return _finding(
        name,
        "rotated",
        Level.WARNING,
        f"rotated on {told:%Y-%m-%d} by config, but the key in use was issued on {issued:%Y-%m-%d}",
        "the key that was made when it was rotated",
        f"Put the new key into Connection {name!r}, or correct config: keys.rotated.{name}.",
    )


def _age(name: str, claims: Claims, since: datetime | None, config: Keys, now: datetime) -> Finding:
    days = config.rotation_days
    remedy = _RENEW
    if since is None:
        level, said = Level.ADVISORY, "age not known, it carries no date"
        remedy = f"Say in config when it was made: keys.rotated.{name}."
    elif since > now + SKEW:
        level, said = Level.UNKNOWN, f"issued on {since:%Y-%m-%d}, which is still to come"
        remedy = f"Correct config: keys.rotated.{name}, or this host's clock."
    else:
        age = max(now - since, timedelta(0)) / _DAY
        # What is overdue once over is a plan that slipped; twice over nobody plans it.
        level = Level.OK if age <= days else Level.ADVISORY if age <= 2 * days else Level.WARNING
        said = f"issued on {since:%Y-%m-%d}, {age:.0f} days ago"
    return _finding(
        name,
        "age",
        level,
        f"{claims.form}: {said}",
        f"at most {days} days (a warning from {2 * days} on)",
        remedy,
    )


def _finding(name: str, what: str, level: Level, detail: str, expected: str, remedy: str) -> Finding:
    subjects = {"form": "Form", "expiry": "End", "rotated": "Rotation", "age": "Age"}
    topic = Topic(f"api_key:{name}:{what}", f"{subjects[what]} of the API key in {name}", GUIDE)
    return topic.judged(level, detail, expected, remedy)


def inspect(sources: Sources) -> LookResult:
    """The dates in the key of the target's functions Connection; the key itself goes no further than this."""
    connection_id = sources.config.target(sources.target).connections.functions
    _, key = sources.functions(connection_id)
    return LookResult(*judged(connection_id, key, sources.config.maintenance.keys, datetime.now(UTC)))


def _described(config: Settings, target: str) -> str:
    return f"the dates in the key of Connection {config.target(target).connections.functions!r}"


INSPECTIONS = (Inspection("api_keys", "the key of the functions Connection", _described, inspect),)
