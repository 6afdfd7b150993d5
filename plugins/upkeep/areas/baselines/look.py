"""The monthly look at the baselines (G26): what is in force, what history proposes, what drifted, what does not verify.

Drift is worse by more than ``drift_percent`` than the best version of the last ``drift_months``, be it in force,
proposed, or what history says. So many steps that people approved one by one are told as one, also after a time that
was better in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from upkeep.areas.baselines.force import Baseline, BaselinesInForce, Version, baselines_in_force, statement
from upkeep.areas.baselines.propose import BaselineCandidate, History, candidates, history
from upkeep.areas.baselines.subjects import Subject
from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import Finding, Level, Topic
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.settings.thresholds import Thresholds

#: Windows of the history that a report draws.
DRAWN = 120
_MONTH = timedelta(days=365.25 / 12)
_GUIDE = "G26"


def drift_since(config: Thresholds, now: datetime) -> datetime:
    """From when on versions in force are held against each other."""
    return now - config.baselines.drift_months * _MONTH


def found(values: History, now: BaselinesInForce, config: Thresholds, at: datetime) -> tuple[Finding, ...]:
    """Of each subject one finding, of what drifted another; of each row that does not count that it is there.

    ``now`` holds the versions back to ``drift_since``.
    """
    every = candidates(values, now, config)
    drifted = (_drift(one, now.versions.get(one.subject.name, ()), config) for one in every)
    return (*_rows(now), *(one for one in drifted if one), *(_finding(one, now, config, at) for one in every))


def _finding(one: BaselineCandidate, now: BaselinesInForce, config: Thresholds, at: datetime) -> Finding:
    subject, version = one.subject, now.of(one.subject.name)
    said = "none in force, the guide's number holds" if subject.function else "none in force"
    if version:
        said = f"in force ({version.words}): {_short(version.baseline, subject)}"
    level, remedy = Level.OK, ""
    if one.proposed:
        worse = f", {abs(one.moved):.0f} % {'worse' if one.moved > 0 else 'better'}" if version and one.moved else ""
        said += f"; proposed: {statement(one.proposed, subject)}{worse}"
        level, remedy = Level.ADVISORY, "It stands in this window's plan: approve it there, or reject it."
    elif one.seen is None and not one.windows:
        level, said = Level.UNKNOWN, f"not collected: no value in the last {config.baselines.history_days} days; {said}"
        remedy = "See in the daily report why it is not collected."
    elif one.seen is None:
        level, said = Level.ADVISORY, f"{said}; no proposal: {one.why}"
        remedy = "Daily windows by the calendar bring a value each; nothing has to be done."
    else:
        said += f"; no proposal: {one.why} ({one.windows} windows)"
        if "history asks" in one.why:
            level, remedy = Level.ADVISORY, "Find what made it so: a baseline does not excuse it."
    return Topic(f"baseline:{subject.name}", f"Baseline of {subject.name.replace('_', ' ')}", _GUIDE).finding(
        level,
        said,
        "a baseline that people approved and that an ordinary day agrees with",
        remedy,
        _drawn(one, version, at),
    )


def _short(baseline: Baseline, subject: Subject) -> str:
    """A baseline in a finding: its statement from the number on."""
    return statement(baseline, subject).partition(": ")[2]


def _drawn(one: BaselineCandidate, version: Version | None, at: datetime) -> dict[str, Any]:
    """What the report draws: the last ``DRAWN`` windows in days from now, and the values with their ends."""
    standing = version.baseline if version else None
    return {
        "baseline": version.number if version else 0,
        "windows": one.windows,
        "unit": one.subject.unit,
        "history": [[round((due - at) / timedelta(days=1), 3), value] for due, value in one.points[-DRAWN:]],
        "in_force": standing and standing.usual.value,
        "in_force_end": standing and standing.usual.upper,
        "proposed": one.proposed and one.proposed.usual.value,
        "proposed_end": one.proposed and one.proposed.usual.upper,
    }


def _drift(one: BaselineCandidate, versions: tuple[Version, ...], config: Thresholds) -> Finding | None:
    """That a baseline is worse than the best of its last versions by more than config allows, None when it is not."""
    subject, newest = one.subject, [version.baseline for version in versions[:1]]
    newest += [one.seen] if one.seen else []
    moves = [
        (subject.change(*pair), what, version, pair)
        for version in versions
        for baseline in newest
        for what, pair in zip(
            ("", f"its {subject.end} end "), zip(version.baseline.usual, baseline.usual, strict=True), strict=True
        )
    ]
    percent, what, version, (was, becomes) = max(moves, key=lambda move: move[0], default=(0.0, "", None, (0.0, 0.0)))
    if version is None or percent <= config.baselines.drift_percent:
        return None
    steps = sum(later.number > version.number for later in versions)
    by = f"{steps} approved step{'s' if steps != 1 else ''} since" if steps else "what history says now"
    return Topic(f"baseline:{subject.name}:drift", f"Drift of {subject.name.replace('_', ' ')}", _GUIDE).finding(
        Level.WARNING,
        f"{what}{was:g} → {becomes:g} {subject.unit}, {percent:.0f} % worse than version {version.number} "
        f"of {version.since:%Y-%m-%d}; {by}",
        f"at most {config.baselines.drift_percent:g} % worse than the best of {config.baselines.drift_months} "
        "months (config/thresholds.yaml: baselines.drift_percent), whoever approved the steps",
        "Find what made it slower month by month; a baseline says what is ordinary, not that it is good.",
        {"versions": [[one.number, one.baseline.usual.value] for one in reversed(versions)]},
    )


def _rows(now: BaselinesInForce) -> Iterator[Finding]:
    for row in now.ignored:
        said = f"version {row.version} ({row.subject}) is ignored: {row.why}"
        yield Topic(
            f"baseline:row:{row.subject}:{row.version}",
            "A baseline of something that is gone" if row.gone else "A baselines row does not verify",
            _GUIDE,
        ).finding(
            Level.ADVISORY if row.gone else Level.CRITICAL,
            said,
            "a row whose plan, decisions and receipt verify, inside the bounds",
            "If it was taken out of config/thresholds.yaml on purpose, nothing has to be done."
            if row.gone
            else "If config's bounds were narrowed on purpose, approve a new baseline. Otherwise find out who "
            "wrote to upkeep.baselines; nothing is judged by this row.",
            {"version": row.version, "subject": row.subject},
        )


def inspect(sources: Sources) -> LookResult:
    """Hold the baselines in force against the last daily windows; the plan puts what is proposed before people."""
    config, target, now = sources.config, sources.window.target, datetime.now(UTC)
    with sources.ledger() as session:
        standing = baselines_in_force(session, target, drift_since(config.thresholds, now))
        values = history(session, target, config.thresholds, now)
    return LookResult(found(values, standing, config.thresholds, now))


def _described(config: Settings, target: str) -> str:
    return f"the ledger's daily windows of {target} in the last {config.thresholds.baselines.history_days} days"


INSPECTIONS = (Inspection("baselines", "include/sql/ledger/daily_values.sql", _described, inspect),)
