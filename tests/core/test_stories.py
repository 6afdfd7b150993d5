"""Findings grouped by cause: what has one cause is one story, and nothing is told twice or lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from upkeep.core.findings import Finding, Level
from upkeep.core.stories import Seen, Story, stories

FUNCTIONS = ("production-monitoring", "error-tracking", "trust-scorer")
OK, WARNING, CRITICAL, UNKNOWN = Level.OK, Level.WARNING, Level.CRITICAL, Level.UNKNOWN


def seen(key: str, level: Level, source: str = "") -> Seen:
    """One finding of a source."""
    return Seen(Finding(key, level, f"about {key}", "seen"), source)


def grouped(*findings: Seen) -> list[tuple[str, Level, int]]:
    """The key of each story, its level and how many findings it holds."""
    return [(story.key, story.level, len(story.findings)) for story in stories(findings, FUNCTIONS)]


def latencies(*levels: Level) -> list[Seen]:
    """Response times of the functions, in their order."""
    return [seen(f"latency:{name}", level) for name, level in zip(FUNCTIONS, levels, strict=True)]


def test_all_slow_is_one_story_and_one_slow_is_that_function() -> None:
    """The network or this host; with one of them in time each slow one is its own."""
    (story,) = stories(latencies(WARNING, CRITICAL, WARNING), FUNCTIONS)
    assert story.cause.startswith("All 3 functions are slow: the network, this host")
    assert story.remedy.startswith("Look at this host's load")
    assert [finding.level for finding in story.findings] == [CRITICAL, WARNING, WARNING]
    assert grouped(*latencies(WARNING, OK, WARNING)) == [
        ("latency:production-monitoring", WARNING, 1),
        ("latency:trust-scorer", WARNING, 1),
    ]


def test_a_silent_one_among_slow_ones_hides_neither() -> None:
    """Those that answer are slow, and one does not answer; an acknowledged one is still slow."""
    silent = [seen("latency:error-tracking", UNKNOWN), seen("e", UNKNOWN, "error-tracking get_errors")]
    slow = [seen("latency:trust-scorer", Level.ADVISORY), seen("latency:production-monitoring", WARNING)]
    assert grouped(*silent, *slow, seen("o", OK, "trust-scorer health_check")) == [
        ("cause:silent:error-tracking", UNKNOWN, 2),
        ("cause:all-slow", WARNING, 2),
    ]


def test_no_function_answers_is_one_story() -> None:
    """With all that depends on any of them; a function that was not timed does not speak against it."""
    looks = [seen("a", UNKNOWN, "error-tracking get_errors"), seen("b", UNKNOWN, "trust-scorer health_check")]
    assert grouped(*latencies(UNKNOWN, UNKNOWN, UNKNOWN), *looks) == [("cause:all-silent", UNKNOWN, 5)]
    some = grouped(*latencies(UNKNOWN, UNKNOWN, OK), *looks)
    assert some == [
        ("cause:silent:error-tracking", UNKNOWN, 2),
        ("b", UNKNOWN, 1),
        ("latency:production-monitoring", UNKNOWN, 1),
    ]


def test_a_database_that_cannot_be_asked_is_one_story() -> None:
    """As long as no statement could look; one that could makes the others what they are."""
    blind = [seen(f"step:{name}", UNKNOWN, f"include/sql/tables/{name}.sql") for name in "abc"]
    assert grouped(*blind) == [("cause:database", UNKNOWN, 3)]
    assert len(grouped(*blind, seen("d", OK, "include/sql/tables/d.sql"))) == 3


def test_a_function_that_does_not_answer_is_one_story_with_what_depends_on_it() -> None:
    """Its looks and its response time; what is unknown for another reason stays beside it."""
    silent = [
        seen("step:errors.get_errors", UNKNOWN, "error-tracking get_errors"),
        seen("error_analytics", UNKNOWN, "error-tracking get_error_analytics"),
        seen("latency:error-tracking", UNKNOWN),
    ]
    other = seen("failed_logins", UNKNOWN, "include/sql/security/failed_logins.sql")
    silent.append(seen("latency:trust-scorer", OK))
    assert grouped(*silent, other) == [("cause:silent:error-tracking", UNKNOWN, 3), ("failed_logins", UNKNOWN, 1)]
    assert grouped(silent[0], other) == [("failed_logins", UNKNOWN, 1), ("step:errors.get_errors", UNKNOWN, 1)]


def test_what_nobody_asked_for_is_no_trouble_of_what_was_not_asked() -> None:
    """Steps of a group that was left out, by their reason; the function that they would have asked is not silent."""
    why = "group 'trends' was left out by ann"
    left_out = [
        Seen(Finding(f"step:{name}", UNKNOWN, name, "seen", remedy="ask ann"), "error-tracking get_errors", why)
        for name in ("a", "b", "c")
    ]
    (story,) = stories(left_out, FUNCTIONS)
    assert (story.cause, story.remedy, len(story.findings)) == (f"3 looks were not made: {why}", "ask ann", 3)
    assert story.key.startswith("cause:not-made:")
    other = [Seen(one.finding, one.source, "Connection 'x' is missing") for one in left_out[:2]]
    assert len({story.key for story in stories([*left_out, *other], FUNCTIONS)}) == 2
    asked = [Seen(one.finding, one.source) for one in left_out]
    assert [story.key for story in stories(asked, FUNCTIONS)] == ["cause:silent:error-tracking"]
    statements = [Seen(one.finding, "a.sql", why) for one in left_out]
    assert {story.key.partition(":")[2][:8] for story in stories(statements, FUNCTIONS)} == {"not-made"}


def test_an_attack_seen_by_address_and_by_account_is_one() -> None:
    """By one of them alone it is what it is."""
    address, account = seen("failed_logins:address:192.0.2.1", WARNING), seen("failed_logins:account:ann", WARNING)
    assert grouped(address, account) == [("cause:failed-logins", WARNING, 2)]
    assert grouped(address, seen("failed_logins:address:192.0.2.2", WARNING)) == [
        ("failed_logins:address:192.0.2.1", WARNING, 1),
        ("failed_logins:address:192.0.2.2", WARNING, 1),
    ]


def test_requests_that_fail_are_one_story_with_what_is_made_of_them() -> None:
    """The rate, the period's count and overall health: one message at night, not three; advice stays beside it."""
    rate, health = seen("metric:error_rate", CRITICAL), seen("metric:overall_health", WARNING)
    counted = seen("error_analytics", CRITICAL)
    assert grouped(rate, health, counted) == [("cause:errors", CRITICAL, 3)]
    (story,) = stories([rate, health, counted], FUNCTIONS)
    assert story.cause == "Requests fail: about error_analytics, about metric:error_rate, about metric:overall_health"
    assert grouped(rate, health, seen("error_analytics", Level.ADVISORY)) == [
        ("cause:errors", CRITICAL, 2),
        ("error_analytics", Level.ADVISORY, 1),
    ]
    assert grouped(rate, seen("metric:overall_health", OK)) == [("metric:error_rate", CRITICAL, 1)]
    assert grouped(counted, health, seen("metric:error_rate", OK)) == [
        ("error_analytics", CRITICAL, 1),
        ("metric:overall_health", WARNING, 1),
    ]


def test_overall_health_goes_with_the_worst_of_what_it_is_made_of() -> None:
    """By itself it is its own; errors come before the others; what else is bad stays beside it."""
    health, cpu = seen("metric:overall_health", CRITICAL), seen("metric:cpu_usage", WARNING)
    slow = seen("metric:response_time", CRITICAL)
    assert grouped(health, seen("metric:cpu_usage", OK)) == [("metric:overall_health", CRITICAL, 1)]
    assert grouped(health, cpu) == [("metric:cpu_usage", CRITICAL, 2)]
    assert grouped(health, cpu, slow) == [("metric:response_time", CRITICAL, 2), ("metric:cpu_usage", WARNING, 1)]
    assert grouped(health, cpu, seen("metric:error_rate", WARNING)) == [
        ("cause:errors", CRITICAL, 2),
        ("metric:cpu_usage", WARNING, 1),
    ]


def test_most_functions_slow_is_one_story_too() -> None:
    """One that is in time does not make six causes of one; half of them, or two, are their own."""
    many = [f"f{number}" for number in range(7)]

    def of(slow: int) -> list[tuple[str, Level, int]]:
        levels = [WARNING if number < slow else OK for number in range(7)]
        timed = [seen(f"latency:{name}", level) for name, level in zip(many, levels, strict=True)]
        return [(story.cause[:24], story.level, len(story.findings)) for story in stories(timed, many)]

    assert of(6) == [("6 of 7 functions are slo", WARNING, 6)]
    assert of(4) == [("4 of 7 functions are slo", WARNING, 4)]
    assert [one[2] for one in of(3)] == [1, 1, 1]


def test_the_worst_story_comes_first() -> None:
    """By the worst of its findings, then what several of them share, then by key."""
    found = grouped(
        seen("b", WARNING), seen("a", WARNING), seen("c", CRITICAL), seen("d", OK), *latencies(*[WARNING] * 3)
    )
    assert found == [("c", CRITICAL, 1), ("cause:all-slow", WARNING, 3), ("a", WARNING, 1), ("b", WARNING, 1)]


KEYS = [f"latency:{name}" for name in FUNCTIONS] + ["failed_logins:address:x", "failed_logins:account:y", "other"]
KEYS += ["metric:error_rate", "metric:overall_health", "metric:cpu_usage", "error_analytics"]
SOURCES = ["", "include/sql/x.sql", "include/sql/y.sql", *(f"{name} health_check" for name in FUNCTIONS)]


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(list(Level)), st.sampled_from(SOURCES)), max_size=25))
def test_each_finding_that_is_not_ok_is_in_exactly_one_story(drawn: list[tuple[str, Level, str]]) -> None:
    """Nothing twice, nothing lost, and nothing that is ok."""
    everything = [seen(*one) for one in drawn]
    found: tuple[Story, ...] = stories(everything, FUNCTIONS)
    told = [id(finding) for story in found for finding in story.findings]
    assert sorted(told) == sorted(id(one.finding) for one in everything if one.finding.level is not OK)
