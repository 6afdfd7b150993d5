"""What a visitor asks of the page of trends: a target, a series, a stretch of time; each said what it must be. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.exceptions import HTTPException

#: How many places a plot has; of what shares one the lowest and the highest value are seen.
PLACES = 480
#: What an address calls a unit of time, its length, and its name.
_UNITS = {
    "h": (timedelta(hours=1), "hour"),
    "d": (timedelta(days=1), "day"),
    "w": (timedelta(days=7), "week"),
    "y": (timedelta(days=365), "year"),
}
_RANGE = re.compile(r"([1-9][0-9]{0,4})([hdwy])")
#: The stretches that the page offers; any other between the first and the last can be asked for.
OFFERED = ("1h", "6h", "1d", "7d", "30d", "90d", "1y", "2y")
USUAL = "30d"
_SHORTEST, _LONGEST = timedelta(hours=1), timedelta(days=730)
#: The earliest moment that can be asked for.
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
#: What an address says where the stretch before is shown as well.
BEFORE = "before"
#: Between a metric and its subject in an address.
_BETWEEN = "|"


@dataclass(frozen=True)
class Series:
    """What was measured: a metric, and of what where it is not of the whole target."""

    metric: str
    subject: str = ""

    @property
    def of(self) -> str:
        """As an address calls it."""
        return f"{self.metric}{_BETWEEN}{self.subject}" if self.subject else self.metric


@dataclass(frozen=True)
class Choice:
    """A target, a stretch of time that ends ``until``, and a series; ``now`` is None where it ends elsewhere.

    ``compared``: the stretch before it is shown as well.
    """

    target: str
    length: timedelta
    until: datetime
    now: datetime | None
    series: Series | None
    compared: bool = False

    @property
    def width(self) -> timedelta:
        """How much time shares a place."""
        return self.length / PLACES

    @property
    def start(self) -> datetime:
        """The first moment."""
        return self.until - self.length

    @property
    def range(self) -> str:
        """The stretch as an address calls it."""
        for unit in ("y", "d"):
            if not self.length % _UNITS[unit][0]:
                return f"{self.length // _UNITS[unit][0]}{unit}"
        return f"{self.length // _UNITS['h'][0]}h"

    @property
    def words(self) -> str:
        """The stretch in words."""
        return said(self.range)

    def href(self, *, range_: str = "", until: datetime | None = None) -> str:
        """The same trend over another stretch, or one that ends elsewhere; without ``until`` it ends as this one."""
        end = until or (None if self.now else self.until)
        return self._href(range_ or self.range, end, compared=self.compared)

    @property
    def other(self) -> str:
        """The same with the stretch before, or without it."""
        return self._href(self.range, None if self.now else self.until, compared=not self.compared)

    def _href(self, range_: str, until: datetime | None, *, compared: bool) -> str:
        href = trend_href(self.target, self.series or Series(""), range_, until)
        return f"{href}&with={BEFORE}" if compared else href

    @property
    def earlier(self) -> str:
        """The stretch before this one; empty where there can be none."""
        return self.href(until=self.start) if self.start - self.length >= _EARLIEST else ""

    def later(self, now: datetime) -> str:
        """The stretch behind this one, which may end now; empty where this one does."""
        if self.now:
            return ""
        end = self.until + self.length
        return self._href(self.range, end if end < now else None, compared=self.compared)


def trend_href(target: str, series: Series, range_: str = "", until: datetime | None = None) -> str:
    """Where a trend is, from any of the pages."""
    named = {"target": target, "of": series.of, "range": range_, "until": f"{until:%Y-%m-%dT%H:%M}" if until else ""}
    return "trends?" + urlencode({name: value for name, value in named.items() if value})


def said(range_: str) -> str:
    """A stretch in words: "30 days"."""
    number, unit = int(range_[:-1]), _UNITS[range_[-1]][1]
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def chosen(query: Mapping[str, str], targets: Sequence[str], now: datetime) -> Choice:
    """What the address asks for. Raises HTTPException 400 or 404, saying what was found and what was expected."""
    target = target_of(query.get("target", ""), targets)
    length = _length(query.get("range", "") or USUAL)
    until = _until(query.get("until", ""), now)
    metric, _, subject = query.get("of", "").partition(_BETWEEN)
    series = Series(metric, subject) if metric or subject else None
    compared = query.get("with") == BEFORE and (until or now) - 2 * length >= _EARLIEST
    return Choice(target, length, until or now, None if until else now, series, compared)


def target_of(name: str, targets: Sequence[str]) -> str:
    """The target of that name, the first one where none is named. Raises HTTPException 404 for one that is none."""
    if name and name not in targets:
        raise HTTPException(
            404, f"found no target {name[:40]!r} that you may read, expected one of: {', '.join(targets)}"
        )
    return name or targets[0]


def _length(text: str) -> timedelta:
    match = _RANGE.fullmatch(text)
    length = int(match[1]) * _UNITS[match[2]][0] if match else timedelta()
    if not _SHORTEST <= length <= _LONGEST:
        raise HTTPException(
            400, f"found the range {text[:40]!r}, expected one from {OFFERED[0]} to {OFFERED[-1]}, such as {USUAL}"
        )
    return length


def _until(text: str, now: datetime) -> datetime | None:
    """The end of the stretch, None for now."""
    if not text:
        return None
    wanted = f"expected a time in UTC from {_EARLIEST:%Y-%m-%d} to now, such as {now:%Y-%m-%dT%H:%M}"
    try:
        until = datetime.fromisoformat(text)
        until = until.astimezone(UTC) if until.tzinfo else until.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        until = datetime.max.replace(tzinfo=UTC)
    if not _EARLIEST <= until <= now:
        raise HTTPException(400, f"found the end {text[:40]!r}, {wanted}")
    return until
