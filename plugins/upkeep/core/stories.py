"""Findings by cause: one slow network is one story, not seven slow functions. Pure; reports and alerts share it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from upkeep.core.findings import Finding, Level, worst


@dataclass(frozen=True)
class Seen:
    """A finding and what was looked at: a function and its action, or a statement's file."""

    finding: Finding
    source: str = ""

    @property
    def bad(self) -> bool:
        """Whether it is known and not ok; one that people have acknowledged is still that."""
        return self.finding.level not in (Level.OK, Level.UNKNOWN)

    @property
    def unknown(self) -> bool:
        """Whether nothing was learned."""
        return self.finding.level is Level.UNKNOWN

    @property
    def timed(self) -> str:
        """The function whose response time this is; empty where it is none."""
        kind, _, function = self.finding.key.partition(":")
        return function if kind == "latency" else ""

    def of(self, function: str) -> bool:
        """Whether this was learned from a function, or by timing it."""
        return function in (self.source.partition(" ")[0], self.timed)


@dataclass(frozen=True)
class Story:
    """Findings with one cause, worst first. ``key`` is stable as a finding's is; ``cause`` is what to call it."""

    key: str
    cause: str
    remedy: str
    findings: tuple[Finding, ...]

    @property
    def level(self) -> Level:
        """The worst of its findings."""
        return worst([finding.level for finding in self.findings])

    @property
    def grouped(self) -> bool:
        """Whether several findings share the cause."""
        return len(self.findings) > 1


@dataclass(frozen=True)
class _Cause:
    key: str
    words: str  # {n}: of how many findings
    remedy: str


_Group = tuple[_Cause, Sequence[Seen]]


def stories(seen: Iterable[Seen], functions: Collection[str]) -> tuple[Story, ...]:
    """Every finding that is not ok, in exactly one story; worst first, then those with several findings, then by key.

    ``functions`` are the names of those that a source may begin with. One finding alone is its own story.
    """
    everything = list(seen)
    told: set[int] = set()
    found = []
    for group in (_all_slow, _all_silent, _silent, _database, _attack):
        for cause, members in group(everything, functions):
            left = [one.finding for one in members if id(one) not in told]
            if len(left) > 1:
                told |= {id(one) for one in members}
                left.sort(key=lambda finding: (finding.level.rank, finding.key))
                found.append(Story(cause.key, cause.words.replace("{n}", str(len(left))), cause.remedy, tuple(left)))
    for one in everything:
        if id(one) not in told and one.finding.level is not Level.OK:
            alone = one.finding
            found.append(Story(alone.key, alone.subject, alone.remedy, (alone,)))
    return tuple(sorted(found, key=lambda story: (story.level.rank, not story.grouped, story.key)))


def _all_slow(seen: Sequence[Seen], _: Collection[str]) -> Iterator[_Group]:
    """Each function is timed from here: all slow that answer is what lies between."""
    timed = [one for one in seen if one.timed]
    answered = [one for one in timed if not one.unknown]
    which = "functions" if len(answered) == len(timed) else "functions that answer"
    if all(one.bad for one in answered):
        yield (
            _Cause(
                "cause:all-slow",
                f"All {{n}} {which} are slow: the network, this host or the platform",
                "Look at this host's load and its way to the platform, then at the platform's status page; "
                "a single function is not the cause.",
            ),
            answered,
        )


def _all_silent(seen: Sequence[Seen], functions: Collection[str]) -> Iterator[_Group]:
    """Where no function that was timed answers, it is none of them."""
    timed = [one for one in seen if one.timed]
    if len(timed) > 1 and all(one.unknown for one in timed):
        yield (
            _Cause(
                "cause:all-silent",
                "No function answers: the network, this host, the key or the platform; {n} findings depend on it",
                "Try the functions' address from this host, then look at the platform's status page and at the "
                "Connection of the functions.",
            ),
            [one for one in seen if one.unknown and any(one.of(name) for name in {*functions, *_names(timed)})],
        )


def _silent(seen: Sequence[Seen], functions: Collection[str]) -> Iterator[_Group]:
    """What was not learned because one function did not answer."""
    for function in sorted({*functions, *_names(seen)}):
        yield (
            _Cause(
                f"cause:silent:{function}",
                f"{function} does not answer as it should: {{n}} findings depend on it",
                "Look at its newest deployment and its logs; what depends on it is known again once it answers.",
            ),
            [one for one in seen if one.unknown and one.of(function)],
        )


def _database(seen: Sequence[Seen], _: Collection[str]) -> Iterator[_Group]:
    """Where no statement could look it is none of them."""
    asked = [one for one in seen if one.source.endswith(".sql")]
    if all(one.unknown for one in asked):
        yield (
            _Cause(
                "cause:database",
                "No check of the database could look: the server, the way to it or the login; {n} depend on it",
                "Try the Connection from this host; the first finding below has the server's words.",
            ),
            asked,
        )


def _attack(seen: Sequence[Seen], _: Collection[str]) -> Iterator[_Group]:
    """The same failed logins, counted by address and by account."""
    bad = [one for one in seen if one.finding.key.startswith("failed_logins:") and one.bad]
    if {"address", "account"} <= {one.finding.key.split(":")[1] for one in bad}:
        yield (
            _Cause(
                "cause:failed-logins",
                "Failed logins above the limits by address and by account: take them for one attack; {n} findings",
                "Block the addresses first, then ask the accounts' owners; reset the passwords of those that got in.",
            ),
            bad,
        )


def _names(seen: Iterable[Seen]) -> set[str]:
    return {one.timed for one in seen if one.timed}
