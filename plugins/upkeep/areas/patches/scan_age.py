"""The last weekly scan (G6), every day: how old it is, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import listed
from upkeep.ledger.read import last_scan
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings

#: A weekly scan and a day's grace.
SCAN_AGE = timedelta(days=8)
#: Findings of the scan that are named, and the characters of each one's detail.
NAMED, DETAIL = 5, 200
#: A scan that seems to lie further ahead than this is not one: clocks disagree.
SKEW = timedelta(minutes=5)


def scan_age(last: datetime | None, now: datetime) -> Finding:
    """The age of the last weekly scan, whose results are to be reviewed daily. Pure."""
    if last is None:
        level, detail = Level.UNKNOWN, "not collected: no weekly scan has been recorded yet"
    elif last > now + SKEW:
        level, detail = Level.UNKNOWN, f"the last weekly scan is of {last:%Y-%m-%d %H:%M} UTC, which is still to come"
    else:
        age = max(now - last, timedelta(0))
        level = Level.OK if age <= SCAN_AGE else Level.WARNING
        detail = f"the last weekly scan is of {last:%Y-%m-%d %H:%M} UTC, {age / timedelta(days=1):.1f} days ago"
    return Topic("scan_age", "Age of the last weekly scan", "G6").finding(
        level,
        detail,
        f"at most {SCAN_AGE / timedelta(days=1):g} days",
        "" if level is Level.OK else "Scan by hand (npm audit, npm outdated); see why the weekly window has not.",
    )


def scan_results(due: datetime, findings: Sequence[Finding]) -> Finding:
    """What that scan found and nobody acknowledged, worst first: an advisory, for the weekly report judges it. Pure."""
    open_ones = [one for one in findings if one.level is not Level.OK and "acknowledged" not in one.metadata]
    open_ones.sort(key=lambda one: one.level.rank)
    seen = listed([f"{one.level} {one.subject}: {one.detail[:DETAIL]}" for one in open_ones], NAMED, " · ", rest=" ·")
    return Topic("scan_results", "Results of the last weekly scan", "G6").judged(
        Level.ADVISORY if open_ones else Level.OK,
        f"{len(open_ones) or 'none'} open from the scan of {due:%Y-%m-%d %H:%M} UTC{seen and ': '}{seen}",
        "none open",
        "See what to do of each in the report of that weekly window; what was mended since is gone with the next scan.",
    )


def inspect(sources: Sources) -> LookResult:
    """The ledger's last weekly window that scanned, and what it found."""
    with sources.ledger() as session:
        last = last_scan(session, sources.window.target)
    if last is None:
        return LookResult((scan_age(None, datetime.now(UTC)),))
    return LookResult((scan_age(last[0], datetime.now(UTC)), scan_results(*last)))


def _described(_: Settings, target: str) -> str:
    return f"the ledger's last weekly window of {target}"


INSPECTIONS = (Inspection("scan_age", "include/sql/ledger/last_scan.sql", _described, inspect),)
