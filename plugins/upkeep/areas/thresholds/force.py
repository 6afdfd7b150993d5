"""Which bands a target is judged by: the file's, with what people approved laid over them.

A row of ``upkeep.thresholds`` is worth what its decisions are worth. Each time it is read, what is behind it must
verify (``proofs``), and its bands must lie inside config's bounds as they are now. One that fails is ignored and told,
and the newest one before it that verifies counts; without any, the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from upkeep.core.findings import Bands, Interval
from upkeep.gate import permits, proofs
from upkeep.ledger.versions import of_this_version
from upkeep.settings.load import Settings, settings
from upkeep.settings.thresholds import Thresholds
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

KIND = "thresholds"

_INTERVAL = r"([\[(][^\])]*[\])])"
_STATEMENT = re.compile(rf"([a-z_]+): ok {_INTERVAL}, warning {_INTERVAL}, critical {_INTERVAL}")


class IgnoredThreshold(NamedTuple):
    """A row that does not verify, and why."""

    version: int
    metric: str
    why: str


@dataclass(frozen=True)
class ThresholdsInForce:
    """What a target is judged by. ``versions`` is of each metric the version that its bands come from, 1 the file.

    ``approved_by`` and ``approved_at`` are of the newest version, empty and None for the file.
    """

    target: str
    thresholds: Thresholds
    versions: Mapping[str, int]
    approved_by: tuple[str, ...] = ()
    approved_at: datetime | None = None
    ignored: tuple[IgnoredThreshold, ...] = field(default=())

    @property
    def version(self) -> int:
        """The target's version: the newest of its metrics."""
        return max(self.versions.values(), default=1)

    @property
    def words(self) -> str:
        """The version and where it comes from, for people."""
        said = f"version {self.version}, as config/thresholds.yaml"
        if self.approved_at is not None:
            people = " and ".join(self.approved_by)
            said = (
                f"version {self.version}, approved by {people} on {self.approved_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
            )
        if count := len(self.ignored):
            said += f"; {count} newer {'row that does' if count == 1 else 'rows that do'} not verify left out"
        return said

    def over(self, settings: Settings) -> Settings:
        """The settings with these thresholds and their version."""
        return settings.model_copy(update={"thresholds": self.thresholds, "thresholds_version": self.version})


# The statement: what people approve is what is stored and what is applied ----------------------------------------


def statement(metric: str, bands: Bands) -> str:
    """The one way to write them: ``error_rate: ok [0, 0.4), warning [0.4, 1.6], critical (1.6, 100]``."""
    return f"{metric}: ok {_text(bands.ok)}, warning {_text(bands.warning)}, critical {_text(bands.critical)}"


def _text(band: Interval) -> str:
    left, right = "[" if band.low_closed else "(", "]" if band.high_closed else ")"
    return f"{left}{band.low:.15g}, {band.high:.15g}{right}"


def parse(text: str, config: Thresholds) -> tuple[str, Bands]:
    """(metric, bands) of a statement. Raises ValueError unless it is written as above and config allows it.

    Only the edges may differ from the file's bands: not the unit, nor what is possible, nor which way is worse.
    """
    match = _STATEMENT.fullmatch(text)
    if not match or match[1] not in config.metrics:
        raise ValueError(f"found {text[:200]!r}, expected bands of one of: {', '.join(config.metrics)}")
    metric = match[1]
    shipped = config.metrics[metric]
    ok, warning, critical = (Interval.parse(part) for part in match.groups()[1:])
    bands = Bands(ok, warning, critical, shipped.unit, shipped.guide)
    if statement(metric, bands) != text:
        raise ValueError(f"found {text[:200]!r}, expected it written as {statement(metric, bands)!r}")
    if bands.rises != shipped.rises or bands != shipped.moved(*bands.edges):
        raise ValueError(f"found bands that differ from {statement(metric, shipped)!r} in more than their edges")
    if why := config.bounds[metric].outside(bands):
        raise ValueError(f"found {why} (config/thresholds.yaml: bounds.{metric})")
    return metric, bands


# What is in force ------------------------------------------------------------------------------------------------


def in_force(session: Session, config: Thresholds, target: str) -> ThresholdsInForce:
    """What a target is judged by now; ``config`` is what the files say."""
    rows = session.rows(queries.load("thresholds/thresholds"), {"target": target})
    metrics, versions = dict(config.metrics), dict.fromkeys(config.metrics, 1)
    ignored: list[IgnoredThreshold] = []
    newest: tuple[int, tuple[permits.Decision, ...]] = (1, ())
    for row in rows:
        if versions.get(row["metric"], 1) > 1:
            continue
        try:
            bands, decisions = _verified(session, row, config, target)
        except ValueError as why:
            ignored.append(IgnoredThreshold(row["version"], row["metric"], str(why)))
            continue
        metrics[row["metric"]], versions[row["metric"]] = bands, row["version"]
        newest = max(newest, (row["version"], decisions), key=lambda one: one[0])
    decisions = newest[1]
    return ThresholdsInForce(
        target=target,
        thresholds=config.model_copy(update={"metrics": metrics}),
        versions=versions,
        approved_by=tuple(decision.person for decision in decisions),
        approved_at=max((decision.responded_at for decision in decisions), default=None),
        ignored=tuple(ignored),
    )


def thresholds_in_force(session: Session, target: str) -> ThresholdsInForce:
    """The thresholds that a target is judged by now; ``session`` is on the ledger, which must be of this version."""
    with of_this_version("upkeep.thresholds"):
        return in_force(session, settings().thresholds, target)


def settings_for(session: Session, target: str) -> Settings:
    """All settings with those thresholds and their version (docs/adr/0009)."""
    return thresholds_in_force(session, target).over(settings())


def _verified(
    session: Session, row: Row, config: Thresholds, target: str
) -> tuple[Bands, tuple[permits.Decision, ...]]:
    """A row's bands and the decisions behind them. Raises ValueError saying why it does not verify."""
    metric, bands = parse(row["statement"], config)
    claim = proofs.Claim(KIND, target, row["metric"], row["statement"])
    decisions = proofs.decisions_behind(session, row, claim)
    if metric != row["metric"]:
        raise ValueError(f"found bands of {metric}, expected them of {row['metric']}")
    return bands, decisions


class BandsInForce(NamedTuple):
    """What a metric was judged by from ``since`` on. ``version`` 1 is the file, which has no date (None)."""

    since: datetime | None
    bands: Bands
    version: int


def bands_over_time(session: Session, config: Thresholds, target: str, metric: str) -> tuple[BandsInForce, ...]:
    """What a metric of a target was judged by over time, the oldest first: the file's bands, then each version that
    verifies. What the file said in earlier days nobody knows: it is as it is now.
    """
    rows = session.rows(queries.load("thresholds/thresholds"), {"target": target})
    found = [BandsInForce(None, config.metrics[metric], 1)]
    for row in reversed([row for row in rows if row["metric"] == metric]):
        try:
            bands, _ = _verified(session, row, config, target)
        except ValueError:
            continue
        found.append(BandsInForce(row["in_force_from"], bands, row["version"]))
    return tuple(found)
