"""Acknowledged findings: an advisory while it lasts, its own level before and after, and UNKNOWN never."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from upkeep.core.findings import Finding, Level
from upkeep.ledger.acknowledgements import LONGEST, OpenException, State, open_exceptions, with_acknowledgements
from upkeep.settings.exceptions import Acknowledgement

NOW = datetime(2026, 11, 25, 2, tzinfo=UTC)
END = date(2027, 1, 31)


def finding(key: str = "audit:rls_off:public.jobs", level: Level = Level.CRITICAL) -> Finding:
    """A finding as a check yields it."""
    return Finding(key, level, "Row security", "off on public.jobs", guide="G78", metadata={"table": "public.jobs"})


def entry(
    key: str = "audit:rls_off:public.*", expires: date = END, by: str = "Ann", up_to: Level = Level.CRITICAL
) -> Acknowledgement:
    """One entry of the file; it accepts whatever is found."""
    return Acknowledgement(key=key, reason="only inside the VPC", by=by, expires=expires, up_to=up_to)


def test_what_gets_worse_than_was_accepted_comes_back() -> None:
    """By default up to a warning: the same finding at critical counts as it is, and the entry says it covers none."""
    file = Acknowledgement(key="audit:rls_off:public.*", reason="until June", by="Ann", expires=END)
    warned, critical = finding(level=Level.WARNING), finding()
    assert with_acknowledgements([warned], [file], NOW)[0].level is Level.ADVISORY
    assert with_acknowledgements([critical], [file], NOW) == (critical,)
    assert [(row.state, row.findings) for row in open_exceptions([critical], [file], NOW)] == [(State.UNUSED, 0)]
    assert [row.findings for row in open_exceptions(with_acknowledgements([warned], [file], NOW), [file], NOW)] == [1]
    assert with_acknowledgements([warned], [entry(up_to=Level.ADVISORY)], NOW) == (warned,)


@pytest.mark.parametrize("level", [Level.ADVISORY, Level.WARNING, Level.CRITICAL])
def test_what_is_covered_is_an_advisory_that_says_who_until_when_and_why(level: Level) -> None:
    """Never more than an advisory, whatever it was; its own level and its other fields are kept."""
    (found,) = with_acknowledgements([finding(level=level)], [entry()], NOW)
    assert found.level is Level.ADVISORY
    assert found.detail == "off on public.jobs (acknowledged by Ann until 2027-01-31: only inside the VPC)"
    assert found.metadata == {
        "table": "public.jobs",
        "level": level.value,
        "acknowledged": {
            "key": "audit:rls_off:public.*",
            "reason": "only inside the VPC",
            "by": "Ann",
            "expires": "2027-01-31",
        },
    }
    assert (found.key, found.subject, found.guide) == ("audit:rls_off:public.jobs", "Row security", "G78")


@pytest.mark.parametrize("level", [Level.OK, Level.UNKNOWN])
def test_ok_and_what_could_not_be_seen_stay_as_they_are(level: Level) -> None:
    """Nobody can accept what nobody saw."""
    one = finding(level=level)
    assert with_acknowledgements([one], [entry()], NOW) == (one,)
    assert [row.state for row in open_exceptions([one], [entry()], NOW)] == [State.UNUSED]


@pytest.mark.parametrize(
    ("key", "covered"),
    [
        ("audit:rls_off:public.jobs", True),
        ("audit:rls_off:public.*", True),
        ("audit:*", True),
        ("audit:rls_off:public.jobs*", True),
        ("audit:rls_off:public.job", False),
        ("audit:rls_off:public", False),
        ("rls_off:*", False),
        ("Audit:*", False),
    ],
)
def test_a_key_covers_itself_and_with_a_star_what_begins_alike(key: str, covered: bool) -> None:
    """Without a star nothing but itself; the case counts, as in a key."""
    (found,) = with_acknowledgements([finding()], [entry(key)], NOW)
    assert (found.level is Level.ADVISORY) is covered
    if not covered:
        assert found == finding()


def test_the_others_stay_in_their_places() -> None:
    """One is covered, the one before and the one behind it are the same objects."""
    findings = [finding("a:1"), finding(), finding("a:2")]
    first, second, third = with_acknowledgements(findings, [entry()], NOW)
    assert (first, third) == (findings[0], findings[2])
    assert second.level is Level.ADVISORY


@pytest.mark.parametrize(
    ("now", "covered"),
    [
        (datetime(2027, 1, 31, 23, 59, tzinfo=UTC), True),
        (datetime(2027, 2, 1, tzinfo=UTC), False),
        (datetime(2027, 2, 1, 1, tzinfo=timezone(timedelta(hours=2))), True),  # still 23:00 UTC of the day before
    ],
)
def test_it_ends_with_its_last_day_in_utc(now: datetime, covered: bool) -> None:
    """From then on the finding has its own level again and says whose acknowledgement ended when."""
    (found,) = with_acknowledgements([finding()], [entry()], now)
    assert found.level is (Level.ADVISORY if covered else Level.CRITICAL)
    if not covered:
        assert found.detail == "off on public.jobs (the acknowledgement by Ann expired on 2027-01-31)"
        assert found.metadata == finding().metadata


def test_an_end_that_is_too_far_ahead_is_not_in_force_until_it_is_near_enough() -> None:
    """400 days at most: one more and the finding keeps its level, and says why."""
    near, far = NOW.date() + LONGEST, NOW.date() + LONGEST + timedelta(days=1)
    assert with_acknowledgements([finding()], [entry(expires=near)], NOW)[0].level is Level.ADVISORY
    (found,) = with_acknowledgements([finding()], [entry(expires=far)], NOW)
    assert found.level is Level.CRITICAL
    assert found.detail.endswith(
        f"(the acknowledgement by Ann until {far} is not in force: expected an end within 400 days)"
    )
    assert with_acknowledgements([finding()], [entry(expires=far)], NOW + timedelta(days=1))[0].level is Level.ADVISORY


def test_of_several_entries_one_in_force_counts_and_else_the_last_that_ended() -> None:
    """An expired entry does not undo another one that still holds."""
    old, older = entry("audit:*", date(2026, 11, 1), "Bob"), entry("audit:rls_off:*", date(2026, 10, 1), "Eve")
    (found,) = with_acknowledgements([finding()], [old, entry(), older], NOW)
    assert "acknowledged by Ann" in found.detail
    (found,) = with_acknowledgements([finding()], [older, old], NOW)
    assert found.detail.endswith("(the acknowledgement by Bob expired on 2026-11-01)")


def test_the_open_exceptions_say_what_each_entry_does() -> None:
    """In force, expired, too far ahead, or for nothing; in the file's order, with how many findings each is about."""
    exceptions = [
        entry(),
        entry("backup:age", date(2026, 11, 24)),
        entry("gone:1"),
        entry("audit:*", date(2030, 1, 1)),
    ]
    findings = [finding(), finding("audit:rls_off:public.a"), finding("backup:age"), finding("gone:1", Level.OK)]
    rows = open_exceptions(findings, exceptions, NOW)
    assert [(row.key, row.state.value, row.findings) for row in rows] == [
        ("audit:rls_off:public.*", "in force", 2),
        ("backup:age", "expired", 1),
        ("gone:1", "matches nothing", 0),
        ("audit:*", "ends too late", 2),
    ]
    assert rows[0] == OpenException("audit:rls_off:public.*", "only inside the VPC", "Ann", END, State.IN_FORCE, 2)


def test_the_open_exceptions_of_a_recorded_window_are_the_same() -> None:
    """The month report knows the findings as they were recorded, after the entries were applied."""
    findings, exceptions = [finding(), finding("backup:age")], [entry(), entry("backup:age", date(2026, 11, 24))]
    recorded = with_acknowledgements(findings, exceptions, NOW)
    assert open_exceptions(recorded, exceptions, NOW) == open_exceptions(findings, exceptions, NOW)
