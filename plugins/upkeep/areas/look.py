"""What a check and an inspection are given, and what they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from upkeep.core.findings import Finding, Level
from upkeep.core.windows import Window
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires.database import Connect, Session
from upkeep.wires.functions.transport import Send


@dataclass(frozen=True)
class Look:
    """One look at a target's database.

    ``earlier`` holds this check's samples from before, (metric, subject) → (value, taken at); ``answered`` what other
    steps of this window have measured, (metric, subject) → value; ``remembered`` what this check's looks at periods
    that had ended by this one's start have measured, (metric, subject) → the greatest value, where it ``remembers``;
    ``previous`` is (due, body) of the snapshot that this check left in an earlier window, None when there is none;
    ``beside`` is the body of the newest snapshot of the step that this check ``reads``, None without one;
    ``replicas`` are the ways to the target's standbys, by Connection id; ``target`` is the target's name in config;
    ``now`` is this host's time, UTC; ``about`` is the window's period, without one ``period`` is the last 24 hours.
    """

    session: Session
    settings: Settings
    now: datetime
    earlier: Mapping[tuple[str, str], tuple[float, datetime]] = field(default_factory=dict)
    answered: Mapping[tuple[str, str], float] = field(default_factory=dict)
    about: tuple[datetime, datetime] | None = None
    remembered: Mapping[tuple[str, str], float] = field(default_factory=dict)
    previous: tuple[datetime, Any] | None = None
    replicas: Mapping[str, Connect] = field(default_factory=dict)
    target: str = ""
    beside: Any = None

    @property
    def period(self) -> tuple[datetime, datetime]:
        """The half-open period that checks of logs look at."""
        return self.about or (self.now - timedelta(hours=24), self.now)


@dataclass(frozen=True)
class Check:
    """A named check: the guide item it answers and the function that looks.

    ``path`` is where its SQL stands below ``include/sql``: a statement, or a folder of them (``queries.source``).
    ``remembers`` says how far back from the period's start it wants to be told of its own samples. A check that
    ``continues`` takes up the newest snapshot of its name, from whichever step and window; the others compare with an
    earlier window of their own step. ``reads`` names another step whose newest snapshot it is told of.
    """

    path: str
    guide: str
    title: str
    look: Callable[[Look], LookResult]
    remembers: Callable[[Settings], timedelta] | None = None
    continues: bool = False
    reads: str = ""

    @property
    def name(self) -> str:
        """The last word of its path: what its steps, samples and snapshots are known by."""
        return self.path.rpartition("/")[2]


def carry_out(check: Check, look: Look) -> LookResult:
    """Run a check; warnings that the server sent meanwhile become findings too (X10)."""
    looked = check.look(look)
    warnings = tuple(
        Finding(
            key=f"{check.name}:server_warning:{notice.message[:200]}",
            level=Level.WARNING,
            subject=f"The server warned during {check.name}",
            detail=notice.message,
            expected="no warning",
            remedy="Read the warning; a statement may have been skipped although it reported success.",
            guide=check.guide,
        )
        for notice in look.session.notices
        if notice.severity == "WARNING"
    )
    return replace(looked, findings=looked.findings + warnings)


@dataclass(frozen=True)
class Sources:
    """The ways to what an inspection may ask; nothing is opened before it is asked for.

    ``ledger`` and ``read`` open sessions that only read, on the ledger and on the target, ``writing`` one that adds to
    the ledger; ``replicas`` are the ways to the target's standbys; ``functions`` is how to send to the functions behind
    a Connection, and its key. A Connection of a type comes from ``connection``, the way to a database through one from
    ``postgres``, or by its name from ``trusted``, through one that no operator can edit. ``called`` are the functions
    that other steps of the same run ask. ``ending`` takes what ends with the task. ``step`` is the inspection's own,
    ``seconds`` how long it may look where it can be long.
    """

    target: str
    window: Window
    step: str
    config: Settings
    ledger: Callable[[], AbstractContextManager[Session]]
    writing: Callable[[], AbstractContextManager[Session]]
    read: Callable[[], AbstractContextManager[Session]]
    replicas: Callable[[], Mapping[str, Connect]]
    functions: Callable[[str], tuple[Send, str]]
    connection: Callable[[str, str], Any]
    postgres: Callable[[Any], Connect]
    trusted: Callable[[str], Connect]
    called: frozenset[str]
    ending: list[Callable[[], None]]
    seconds: float


@dataclass(frozen=True)
class Inspection:
    """What an area looks at that is neither one SQL check nor one call: files, programs, the ledger's history.

    ``source`` and what it ``describes`` are for the report: what was looked at, and what a dry run would have looked
    at. One that ``asks_about_period`` may run late. Raises NotCollected where it has a reason not to look.
    """

    name: str
    source: str
    describes: Callable[[Settings, str], str]
    look: Callable[[Sources], LookResult]
    asks_about_period: bool = False
