"""Findings by cause: one slow network is one story, not seven slow functions. Pure; reports and alerts share it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from upkeep.core.findings import Finding, Level, worst

#: So many slow functions at least, and more than half, are not each its own story.
LEAST_SLOW = 3
#: Subjects that are named in what a story is called.
MOST_LISTED = 3
_ERROR_RATE, _OVERALL = "metric:error_rate", "metric:overall_health"
_FAILING = frozenset({_ERROR_RATE, "error_analytics", "error_trends"})


@dataclass(frozen=True)
class Seen:
    """A finding and what was looked at: a function and its action, or a statement's file.

    ``not_made`` is why nobody looked at all, where that was so by decision or for want of a setting.
    """

    finding: Finding
    source: str = ""
    not_made: str = ""

    @property
    def bad(self) -> bool:
        """Whether it is known and not ok; one that people have acknowledged is still that."""
        return self.finding.level not in (Level.OK, Level.UNKNOWN)

    @property
    def trouble(self) -> bool:
        """Whether it is bad and more than advice."""
        return self.finding.level in (Level.CRITICAL, Level.WARNING)

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
        return not self.not_made and function in (self.source.partition(" ")[0], self.timed)


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
    words: str  # {n}: of how many findings; {which}: what they are about
    remedy: str


_Group = tuple[_Cause, Sequence[Seen]]


def stories(seen: Iterable[Seen], functions: Collection[str]) -> tuple[Story, ...]:
    """Every finding that is not ok, in exactly one story; worst first, then those with several findings, then by key.

    ``functions`` are the names of those that a source may begin with. One finding alone is its own story.
    """
    everything = list(seen)
    told: set[int] = set()
    found = []
    for group in (_not_made, _all_slow, _all_silent, _silent, _database, _attack, _errors, _health):
        for cause, members in group(everything, functions):
            left = [one.finding for one in members if id(one) not in told]
            if len(left) > 1:
                told |= {id(one) for one in members}
                left.sort(key=lambda finding: (finding.level.rank, finding.key))
                words = cause.words.replace("{n}", str(len(left))).replace("{which}", _listed(left))
                found.append(Story(cause.key, words, cause.remedy, tuple(left)))
    for one in everything:
        if id(one) not in told and one.finding.level is not Level.OK:
            alone = one.finding
            found.append(Story(alone.key, alone.subject, alone.remedy, (alone,)))
    return tuple(sorted(found, key=lambda story: (story.level.rank, not story.grouped, story.key)))


def _not_made(seen: Sequence[Seen], _: Collection[str]) -> Iterator[_Group]:
    """What nobody asked for, or could: that is no trouble of the function or database that was not asked."""
    for reason in sorted({one.not_made for one in seen} - {""}):
        members = [one for one in seen if one.not_made == reason]
        key = f"cause:not-made:{hashlib.sha256(reason.encode()).hexdigest()[:12]}"
        yield _Cause(key, f"{{n}} looks were not made: {reason}", members[0].finding.remedy), members


def _all_slow(seen: Sequence[Seen], _: Collection[str]) -> Iterator[_Group]:
    """Each function is timed from here: all slow that answer, or most of them, is what lies between."""
    timed = [one for one in seen if one.timed]
    answered = [one for one in timed if not one.unknown]
    slow = [one for one in answered if one.bad]
    which = "functions" if len(answered) == len(timed) else "functions that answer"
    how_many = "All {n}" if len(slow) == len(answered) else f"{{n}} of {len(answered)}"
    if len(slow) == len(answered) or (len(slow) >= LEAST_SLOW and 2 * len(slow) > len(answered)):
        yield (
            _Cause(
                "cause:all-slow",
                f"{how_many} {which} are slow: the network, this host or the platform",
                "Look at this host's load and its way to the platform, then at the platform's status page; "
                "a single function is not the cause.",
            ),
            slow,
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
    asked = [one for one in seen if one.source.endswith(".sql") and not one.not_made]
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


def _errors(seen: Sequence[Seen], _: Collection[str]) -> Iterator[_Group]:
    """Requests that fail now, in a period's count and in what is made of them."""
    failing = [one for one in seen if one.trouble and one.finding.key in _FAILING]
    if any(one.finding.key == _ERROR_RATE for one in failing):
        yield (
            _Cause(
                "cause:errors",
                "Requests fail: {which}",
                "Look at the error analytics: which function, which category, since when; then at what was deployed.",
            ),
            [*failing, *_overall(seen)],
        )


def _health(seen: Sequence[Seen], _: Collection[str]) -> Iterator[_Group]:
    """Overall health is made of the other metrics: where one of them is in trouble that is what it says."""
    metrics = [one for one in seen if one.trouble and one.finding.key.startswith("metric:")]
    others = [one for one in metrics if one.finding.key not in (_OVERALL, _ERROR_RATE)]
    if others:
        worst_one = min(others, key=lambda one: (one.finding.level.rank, one.finding.key))
        cause = worst_one.finding
        yield (
            _Cause(cause.key, f"{cause.subject}, and overall health with it", cause.remedy),
            [worst_one, *_overall(seen)],
        )


def _overall(seen: Sequence[Seen]) -> list[Seen]:
    return [one for one in seen if one.trouble and one.finding.key == _OVERALL]


def _listed(findings: Sequence[Finding]) -> str:
    """``error rate, overall health``: what the worst are about, as far as a headline has room."""
    subjects = [f"{finding.subject[:1].lower()}{finding.subject[1:]}" for finding in findings]
    rest = len(subjects) - MOST_LISTED
    return ", ".join(subjects[:MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")


def _names(seen: Iterable[Seen]) -> set[str]:
    return {one.timed for one in seen if one.timed}
