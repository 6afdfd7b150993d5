"""Acknowledged findings: what people accept for a while is an advisory that says so, and comes back when it ends. Pure.

``config/exceptions.yaml`` holds them. A finding is changed in one place, before its step is recorded, so that ledger,
verdict, report and alerts see the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from upkeep.core.findings import Finding, Level
from upkeep.settings.exceptions import Acknowledgement

#: An acknowledgement is looked at again within about a year; one that ends later than this is not in force.
LONGEST = timedelta(days=400)


class State(StrEnum):
    """What an entry does now."""

    IN_FORCE = "in force"
    EXPIRED = "expired"
    TOO_LONG = "ends too late"
    UNUSED = "matches nothing"


@dataclass(frozen=True)
class OpenException:
    """One entry as it stands at a moment; ``findings`` is how many findings it covers, or would if it were in force."""

    key: str
    reason: str
    by: str
    expires: date
    state: State
    findings: int


def with_acknowledgements(
    findings: Iterable[Finding], exceptions: Sequence[Acknowledgement], now: datetime
) -> tuple[Finding, ...]:
    """The findings as they count: what an entry in force covers is an advisory, at its place; the others stay.

    Ok and UNKNOWN are never covered.
    """
    return tuple(_applied(finding, exceptions, now) for finding in findings)


def in_force(exceptions: Iterable[Acknowledgement], now: datetime) -> list[Acknowledgement]:
    """The entries that count at a moment."""
    return [one for one in exceptions if _state(one, now) is State.IN_FORCE]


def open_exceptions(
    findings: Iterable[Finding], exceptions: Sequence[Acknowledgement], now: datetime
) -> tuple[OpenException, ...]:
    """Every entry with what it does now, in the file's order; ``findings`` as they were found or as they count."""
    found = [finding for finding in findings if _coverable(finding)]
    rows = []
    for one in exceptions:
        covered = sum(one.covers(finding.key, _level_of(finding)) for finding in found)
        state = _state(one, now)
        if state is State.IN_FORCE and not covered:
            state = State.UNUSED
        rows.append(OpenException(one.key, one.reason, one.by, one.expires, state, covered))
    return tuple(rows)


def _level_of(finding: Finding) -> Level:
    """As it was found, also where it is acknowledged already."""
    return Level(finding.metadata.get("level", finding.level)) if "acknowledged" in finding.metadata else finding.level


def _coverable(finding: Finding) -> bool:
    return finding.level not in (Level.OK, Level.UNKNOWN)


def _state(one: Acknowledgement, now: datetime) -> State:
    today = now.astimezone(UTC).date()
    if one.expires < today:
        return State.EXPIRED
    return State.TOO_LONG if one.expires - today > LONGEST else State.IN_FORCE


def _applied(finding: Finding, exceptions: Sequence[Acknowledgement], now: datetime) -> Finding:
    covering = [one for one in exceptions if one.covers(finding.key, finding.level)] if _coverable(finding) else []
    if not covering:
        return finding
    for one in covering:
        if _state(one, now) is State.IN_FORCE:
            return _acknowledged(finding, one)
    last = max(covering, key=lambda one: one.expires)
    return replace(finding, detail=f"{finding.detail} ({_not_in_force(last, now)})")


def _acknowledged(finding: Finding, one: Acknowledgement) -> Finding:
    said = {"key": one.key, "reason": one.reason, "by": one.by, "expires": one.expires.isoformat()}
    return replace(
        finding,
        level=Level.ADVISORY,
        detail=f"{finding.detail} (acknowledged by {one.by} until {one.expires}: {one.reason})",
        metadata={**finding.metadata, "acknowledged": said, "level": finding.level.value},
    )


def _not_in_force(one: Acknowledgement, now: datetime) -> str:
    if _state(one, now) is State.EXPIRED:
        return f"the acknowledgement by {one.by} expired on {one.expires}"
    return (
        f"the acknowledgement by {one.by} until {one.expires} is not in force: expected an end within "
        f"{LONGEST.days} days"
    )
