"""How far another clock is from this host's: pure.

A clock that is wrong moves every period and age. Another clock is read between two looks at ours; what the
reading cannot tell for sure, the time that the answer took and the fineness of the clock, is no skew.
"""

from __future__ import annotations

from dataclasses import dataclass

#: More than this is worth a remark; beyond the second, periods and ages in reports mislead.
ADVISORY_SECONDS, LIMIT_SECONDS = 2.0, 60.0


@dataclass(frozen=True)
class ClockReading:
    """What another clock told between two looks at ours, in seconds since the epoch; ``coarse`` is its own doubt."""

    sent: float
    received: float
    told: float
    coarse: float = 0.0

    @property
    def skew(self) -> float:
        """How far the other clock is ahead of ours, if it was read half-way between."""
        return self.told - (self.sent + self.received) / 2

    @property
    def doubt(self) -> float:
        """By how much the skew may be wrong."""
        return (self.received - self.sent) / 2 + self.coarse

    @property
    def certain(self) -> float:
        """The seconds by which the clocks differ at least."""
        return max(0.0, abs(self.skew) - self.doubt)

    @property
    def misleading(self) -> bool:
        """Whether reports would be wrong by more than anybody overlooks."""
        return self.certain > LIMIT_SECONDS

    def __str__(self) -> str:
        where = "ahead of" if self.skew > 0 else "behind"
        return (
            f"found it {abs(self.skew):.1f} s {where} this host's clock (give or take {self.doubt:.1f} s), expected at "
            f"most {ADVISORY_SECONDS:g} s: periods and ages are off by as much; synchronise both (NTP)"
        )


def least_doubtful(readings: list[ClockReading]) -> ClockReading:
    """The reading to judge by: the one that was answered most quickly. Raises ValueError without any."""
    return min(readings, key=lambda reading: reading.doubt)
