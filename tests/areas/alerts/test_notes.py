"""Which messages arise: one for each change of state, none twice, reminders, the end, a digest for a storm."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.stages.alerts import (
    ADVISORY,
    CRITICAL,
    HOUR,
    MINUTE,
    NOW,
    OK,
    SHIPPED,
    UNKNOWN,
    WARNING,
    Memory,
    trouble,
    words,
)
from upkeep.areas.alerts.body import Pages, body
from upkeep.areas.alerts.episodes import Acknowledged, Alert
from upkeep.areas.alerts.notes import Kind, Summary
from upkeep.areas.alerts.render.slack import slack
from upkeep.areas.alerts.render.words import one_liners, plain
from upkeep.core.findings import Level
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings as load
from upkeep.settings.routing import QuietHours


def quiet(**fields: Any) -> Any:
    """The shipped routing with quiet hours."""
    return SHIPPED.model_copy(update={"quiet_hours": (QuietHours.model_validate(fields),)})


@pytest.mark.guide("G114", "G115", "G116", "fires", "silent")
def test_each_channel_hears_of_its_levels_once_and_of_the_end() -> None:
    """Critical reaches all three, a warning mail and Slack, an advisory Slack alone; each is told once and its end."""
    memory = Memory()
    all_three = [trouble("c", CRITICAL), trouble("w", WARNING), trouble("a", ADVISORY)]
    first = memory.look(all_three, NOW)
    assert words(first, "sms") == ["new critical c"]
    assert words(first, "email") == ["new critical c", "new warning w"]
    assert words(first, "slack") == ["new critical c", "new warning w", "new advisory a"]
    assert memory.look(all_three, NOW + MINUTE) == []
    over = memory.look([], NOW + HOUR)
    assert words(over, "sms") == ["over ok c"]
    assert words(over, "email") == ["over ok c", "over ok w"]
    assert words(over, "slack") == ["over ok c", "over ok w", "over ok a"]
    assert memory.look([], NOW + 2 * HOUR) == []


def test_many_ends_at_once_are_counted_as_ends() -> None:
    """What is over has no level any more that a digest could name."""
    memory = Memory()
    memory.look([trouble(f"k{number}", CRITICAL) for number in range(9)], NOW)
    over = [message for message in memory.look([], NOW + HOUR) if message.channel == "sms"]
    digest = max(over, key=lambda message: len(message.notes))
    assert digest.counts == {"over": len(digest.notes)}
    assert len(digest.notes) > 1


@pytest.mark.guide("G137", "fires", "silent")
def test_a_digest_with_something_critical_leads_to_the_incident_procedures() -> None:
    """Once at its end, in text, mail and Slack; as a link where it is one. One of warnings alone does not."""
    config = load(ROOT / "config")

    def told(level: Level, where: str) -> tuple[str, list[tuple[str, str]], str]:
        found = Memory().look([trouble(f"k{number}", level) for number in range(9)], NOW)
        digest = max((one for one in found if one.channel == "email"), key=lambda one: len(one.notes))
        assert len(digest.notes) > 1
        documents = config.maintenance.documents.model_copy(update={"incident_response": where})
        maintenance = config.maintenance.model_copy(update={"documents": documents})
        asked = config.model_copy(update={"maintenance": maintenance})
        pages = Pages(lambda dag_id, run_id: "https://airflow.test/report", "https://airflow.test/upkeep/alerts")
        said = body(digest, asked, pages, NOW)
        return plain(said), one_liners(said), str(slack(said)["blocks"][-2:])

    url = "https://wiki.test/incidents"
    text, lines, blocks = told(CRITICAL, url)
    assert text.endswith(f"\nIncident procedures: {url}") and text.count("Incident") == 1
    assert lines[-1] == ("Incident procedures", url) and url in blocks
    text, lines, blocks = told(CRITICAL, "incidents.md")
    assert text.endswith("\nIncident procedures: incidents.md") and "incidents.md" in blocks
    assert lines[-1] == ("Incident procedures: incidents.md", "")
    assert "Incident" not in "".join(map(str, told(WARNING, url)))


@pytest.mark.guide("G110-G113", "holds")
def test_a_warning_does_not_also_fire_when_critical_does() -> None:
    """One alert for a key; getting worse and better are told, and a channel for critical hears that it no longer is."""
    memory = Memory()
    memory.look([trouble("k", WARNING)], NOW)
    worse = memory.look([trouble("k", CRITICAL)], NOW + HOUR)
    assert [words(worse, channel) for channel in ("email", "sms")] == [["worse critical k"], ["new critical k"]]
    better = memory.look([trouble("k", WARNING)], NOW + 2 * HOUR)
    assert [words(better, channel) for channel in ("email", "sms")] == [["better warning k"], ["better warning k"]]
    over = memory.look([], NOW + 3 * HOUR)
    assert [words(over, channel) for channel in ("email", "sms")] == [["over ok k"], []]


def test_what_cannot_be_judged_any_more_is_not_over() -> None:
    """Mail is not for UNKNOWN: it says nothing until it is known again; Slack says that it is not known."""
    memory = Memory()
    memory.look([trouble("k", CRITICAL)], NOW)
    blind = memory.look([trouble("k", UNKNOWN)], NOW + MINUTE)
    assert [words(blind, channel) for channel in ("email", "slack")] == [[], ["better unknown k"]]
    again = memory.look([trouble("k", CRITICAL)], NOW + 2 * MINUTE)
    assert [words(again, channel) for channel in ("email", "slack")] == [[], ["worse critical k"]]


def test_reminders_come_at_their_interval_and_not_of_events() -> None:
    """Critical after four hours, again after four more; a window that was late is no state."""
    memory = Memory()
    both = [trouble("k", CRITICAL), trouble("window:late", CRITICAL, reminded=False)]
    memory.look(both, NOW)
    told = {after: words(memory.look(both, NOW + after * HOUR), "sms") for after in (3, 4, 7, 8)}
    assert told == {3: [], 4: ["still critical k"], 7: [], 8: ["still critical k"]}


def test_an_acknowledged_alert_is_silent_until_it_clears_or_gets_worse() -> None:
    """No reminder; worse than what somebody accepted is told; the end is told."""
    memory = Memory()
    memory.look([trouble("k", WARNING)], NOW)
    memory.acknowledge("k", acknowledged=Acknowledged("ann", "known", WARNING))
    assert memory.look([trouble("k", WARNING)], NOW + 48 * HOUR) == []
    worse = memory.look([trouble("k", CRITICAL)], NOW + 49 * HOUR)
    assert words(worse, "email") == ["worse critical k"]
    assert words(memory.look([], NOW + 50 * HOUR), "email") == ["over ok k"]


def test_an_acknowledgement_until_a_moment_ends_then() -> None:
    """After it the reminder comes; a new episode of the same key is not acknowledged."""
    memory = Memory()
    memory.look([trouble("k")], NOW)
    memory.acknowledge("k", acknowledged=Acknowledged("ann", "", WARNING, NOW + 30 * HOUR))
    assert memory.look([trouble("k")], NOW + 29 * HOUR) == []
    assert words(memory.look([trouble("k")], NOW + 30 * HOUR), "email") == ["still warning k"]
    memory.look([], NOW + 31 * HOUR)
    assert words(memory.look([trouble("k")], NOW + 32 * HOUR), "email") == ["new warning k"]


def test_quiet_hours_hold_back_what_is_still_true_afterwards() -> None:
    """What came and went in them is not told; an end in them is told after them, and once."""
    memory = Memory(quiet(channels=["slack"], hours="03:00-07:00"))
    night = [trouble("passes"), trouble("stays")]
    assert words(memory.look(night, NOW), "slack") == []
    assert words(memory.look([trouble("stays")], NOW + HOUR), "slack") == []
    assert words(memory.look([trouble("stays")], NOW + 4 * HOUR), "slack") == ["new warning stays"]
    assert words(memory.look([], NOW + 24 * HOUR), "slack") == []
    assert words(memory.look([], NOW + 28 * HOUR), "slack") == ["over ok stays"]


def test_what_is_back_before_its_end_was_told_is_no_second_alarm() -> None:
    """Over and back within quiet hours: nothing changed for the channel that slept."""
    memory = Memory(quiet(channels=["slack"], hours="03:00-07:00"))
    memory.look([trouble("k")], NOW - HOUR)
    memory.look([], NOW)
    memory.look([trouble("k")], NOW + HOUR)
    assert words(memory.look([trouble("k")], NOW + 4 * HOUR), "slack") == []
    assert words(memory.look([], NOW + 5 * HOUR), "slack") == ["over ok k"]


def test_a_story_that_changes_its_key_is_neither_over_nor_new() -> None:
    """Two slow functions become all, then one of them: the same trouble goes on; its end is told once."""
    memory = Memory()
    memory.look([trouble("latency:a"), trouble("latency:b")], NOW)
    grouped = trouble("cause:all-slow", members=("latency:a", "latency:b"), since=NOW + HOUR)
    assert memory.look([grouped], NOW + HOUR) == []
    assert memory.alerts[-1].trouble.since == NOW
    assert memory.look([trouble("latency:b", since=NOW + 2 * HOUR)], NOW + 2 * HOUR) == []
    assert words(memory.look([], NOW + 3 * HOUR), "email") == ["over ok latency:b"]


def silent(key: str, *members: str, level: Level = UNKNOWN) -> Any:
    """A story of functions that do not answer."""
    return trouble(key, level, members=members or (key,))


ALL, ONE, OTHER = silent("cause:all-silent", "a", "b"), silent("cause:silent:a", "a"), silent("cause:silent:b", "b")


def known(level: Level = UNKNOWN, until: Any = None, by: str = "ann") -> Acknowledged:
    """Somebody knows of it."""
    return Acknowledged(by, "known", level, until)


def test_an_acknowledged_story_that_changes_its_key_stays_acknowledged() -> None:
    """One function is silent, then all, then each by itself: no reminder, and one end for each that was told."""
    memory = Memory()
    memory.look([ONE], NOW)
    memory.acknowledge(ONE.key, acknowledged=known())
    for at, now_so in enumerate(([ALL], [ONE, OTHER], [ALL], [OTHER]), start=1):
        assert memory.look(now_so, NOW + at * 48 * HOUR) == []
    assert words(memory.look([replace(OTHER, level=CRITICAL)], NOW + 300 * HOUR), "slack") == [
        "worse critical cause:silent:b"
    ]
    assert words(memory.look([], NOW + 301 * HOUR), "slack") == ["over ok cause:silent:b"]


def test_what_nobody_knows_of_is_not_silenced_by_what_it_becomes_one_with() -> None:
    """Two stories become one: it is silent where both were, and only as long as both."""
    for mine, others, expected in (
        (known(), None, ["still unknown cause:all-silent"]),
        (known(), known(until=NOW + 30 * HOUR, by="bob"), []),
        (known(), known(until=NOW + 20 * HOUR, by="bob"), ["still unknown cause:all-silent"]),
    ):
        memory = Memory()
        memory.look([ONE, OTHER], NOW)
        memory.acknowledge(ONE.key, acknowledged=mine)
        memory.acknowledge(OTHER.key, acknowledged=others)
        memory.look([ALL], NOW + HOUR)
        assert words(memory.look([ALL], NOW + 25 * HOUR), "slack") == expected


def test_what_had_become_worse_than_acknowledged_stays_loud_under_another_key() -> None:
    """Known as a warning, told as critical: the new story is not silent."""
    memory = Memory()
    memory.look([silent("k", level=WARNING)], NOW)
    memory.acknowledge("k", acknowledged=known(WARNING))
    memory.look([silent("k", level=CRITICAL)], NOW + HOUR)
    other = silent("other", "k", level=CRITICAL)
    assert memory.look([other], NOW + 2 * HOUR) == []
    assert words(memory.look([other], NOW + 6 * HOUR), "slack") == ["still critical other"]


def test_what_was_over_and_is_back_is_known_to_nobody() -> None:
    """Also where the end had not been told yet: an acknowledgement until it clears has cleared."""
    memory = Memory(quiet(channels=["slack"], hours="03:00-04:00"))
    memory.look([trouble("k")], NOW - HOUR)
    memory.acknowledge("k", acknowledged=known(WARNING))
    memory.look([], NOW + MINUTE)
    memory.look([trouble("k")], NOW + 2 * MINUTE)
    assert words(memory.look([trouble("k")], NOW + 26 * HOUR), "slack") == ["still warning k"]


def test_trouble_of_which_advice_is_left_is_over_and_the_advice_is_not_told_anew() -> None:
    """Requests no longer fail, and a few errors of the day remain: each channel hears of the end, and no more."""
    memory = Memory()
    advice = trouble("counted", ADVISORY)
    assert words(memory.look([advice], NOW), "slack") == ["new advisory counted"]
    memory.look([trouble("cause", CRITICAL, members=("rate", "counted"))], NOW + MINUTE)
    ended = memory.look([advice], NOW + 2 * MINUTE)
    for channel in ("email", "slack", "sms"):
        assert words(ended, channel) == ["over ok cause"]
    assert memory.look([advice], NOW + 3 * MINUTE) == []
    unknown = trouble("counted", UNKNOWN)
    memory.look([trouble("cause", CRITICAL, members=("rate", "counted"))], NOW + 4 * MINUTE)
    assert words(memory.look([unknown], NOW + 5 * MINUTE), "slack") == ["better unknown counted"]


def test_a_channel_is_not_told_of_its_own_failing() -> None:
    """The others are."""
    messages = Memory().look([trouble("channel:slack", CRITICAL, target="", channel="slack")], NOW)
    assert {message.channel for message in messages} == {"email", "sms"}


def test_a_channel_that_is_not_set_up_gets_nothing_and_holds_nothing_up() -> None:
    """Set up later it hears of what is so then."""
    memory = Memory(set_up=("slack",))
    memory.look([trouble("gone", CRITICAL), trouble("k", CRITICAL)], NOW)
    memory.look([trouble("k", CRITICAL)], NOW + HOUR)
    memory.set_up = ("slack", "sms")
    assert words(memory.look([trouble("k", CRITICAL)], NOW + 2 * HOUR), "sms") == ["new critical k"]


def test_a_target_that_is_gone_from_config_is_not_said_to_have_recovered() -> None:
    """Its alerts end without a word."""
    memory = Memory()
    memory.look([trouble("k", target="staging")], NOW)
    memory.alerts = [Alert(1, trouble("k", target="removed"), NOW, told=memory.alerts[0].told)]
    assert memory.look([], NOW + HOUR) == []
    assert len(memory.gone) == 1


def test_a_windows_summary_is_a_message_of_its_own_level_once() -> None:
    """Slack alone is for summaries, whatever the window came to."""
    memory = Memory()
    summary = Summary(7, "primary", "weekly", NOW, "maintenance_weekly", "run", CRITICAL, "3 actions done")
    first = memory.look([], NOW, [summary])
    assert [(message.channel, message.notes[0].kind) for message in first] == [("slack", Kind.SUMMARY)]
    assert memory.look([], NOW + MINUTE, [summary]) == []


def test_a_summary_amid_a_storm_is_told_once_and_not_in_the_digest() -> None:
    """It has a message of its own; where there is no room it comes with the next look."""
    memory = Memory()
    summary = Summary(7, "primary", "weekly", NOW, "maintenance_weekly", "run", CRITICAL, "3 actions done")
    storm = [trouble(f"k:{n}") for n in range(9)]
    told = [words(memory.look(storm, NOW + n * MINUTE, [summary]), "slack") for n in range(4)]
    assert [[word for word in said if "weekly" in word] for said in told] == [[], ["summary critical weekly"], [], []]


def test_a_storm_is_a_few_messages_and_nothing_of_it_is_lost() -> None:
    """10,000 findings: the worst by themselves, the rest as one; every one counts as told, and so does its end."""
    memory = Memory()
    storm = [trouble(f"k:{n}", CRITICAL if n < 3 else WARNING) for n in range(10_000)]
    messages = memory.look(storm, NOW)
    slack = [message for message in messages if message.channel == "slack"]
    assert [len(message.notes) for message in slack] == [1, 1, 1, 1, 9_996]
    assert words(slack[:3], "slack") == [f"new critical k:{n}" for n in range(3)]
    assert memory.look(storm, NOW + MINUTE) == []
    over = [message for message in memory.look([], NOW + 2 * MINUTE) if message.channel == "slack"]
    assert sum(len(message.notes) for message in over) == 10_000


def test_what_no_longer_fits_into_the_hour_is_told_in_the_next() -> None:
    """A change every minute: fifteen messages an hour a channel, then the rest, if it is still so."""
    memory = Memory()
    for n in range(40):
        memory.look([trouble(f"k:{m}") for m in range(n + 1)], NOW + n * MINUTE)
    assert sum(message.channel == "slack" for _, message in memory.sent) == 15
    memory.look([trouble(f"k:{m}") for m in range(40)], NOW + 61 * MINUTE)
    told = [name for at, message in memory.sent for name in words([message], "slack")]
    assert sorted(told) == sorted(f"new warning k:{m}" for m in range(40))


def test_an_hour_full_of_warnings_has_room_for_what_is_critical_and_for_its_end() -> None:
    """A quarter of the twenty is kept for it; where that is used up as well, it waits as all else does."""
    memory = Memory()
    warnings = [trouble(f"k:{m}") for m in range(40)]
    for n in range(40):
        memory.look(warnings[: n + 1], NOW + n * MINUTE)
    bad = memory.look([*warnings, trouble("c", CRITICAL)], NOW + 41 * MINUTE)
    assert words(bad, "slack") == ["new critical c"]
    assert words(memory.look(warnings, NOW + 42 * MINUTE), "slack") == ["over ok c"]
    for n in range(10):
        memory.look([*warnings, *(trouble(f"c:{m}", CRITICAL) for m in range(n + 1))], NOW + (43 + n) * MINUTE)
    assert sum(message.channel == "slack" for _, message in memory.sent) == 20


LEVELS = st.sampled_from([OK, ADVISORY, WARNING, CRITICAL, UNKNOWN])
HISTORIES = st.lists(st.lists(LEVELS, min_size=3, max_size=3), min_size=1, max_size=30)


def played(history: list[list[Level]], memory: Memory) -> None:
    """Three keys go through these levels, a look a minute."""
    for minute, levels in enumerate(history):
        troubles = [trouble(f"k{n}", level) for n, level in enumerate(levels) if level is not OK]
        memory.look(troubles, NOW + minute * MINUTE)


LOUD = SHIPPED.model_copy(update={"most_an_hour": 100, "most_at_once": 20})


@given(HISTORIES)
def test_what_a_channel_was_told_last_is_what_holds(history: list[list[Level]]) -> None:
    """Slack is for every level: after any history its last word of each key is the level now, or it never heard."""
    memory = Memory(LOUD)
    played(history, memory)
    last: dict[str, str] = {}
    for _, message in memory.sent:
        for word in words([message], "slack"):
            _, level, key = word.split(" ")
            last[key] = level
    assert last == {
        f"k{n}": level.value for n, level in enumerate(history[-1]) if any(levels[n] is not OK for levels in history)
    }


@given(HISTORIES)
def test_no_key_of_a_message_comes_twice_and_each_change_is_one_message(history: list[list[Level]]) -> None:
    """As many messages as changes; looked at again, nothing arises."""
    memory = Memory(LOUD)
    played(history, memory)
    keys = [message.key for _, message in memory.sent]
    assert len(set(keys)) == len(keys)
    rows = [[OK] * 3, *history]
    changes = sum(rows[i][n] is not rows[i - 1][n] for i in range(1, len(rows)) for n in range(3))
    assert sum(message.channel == "slack" for _, message in memory.sent) == changes
    again = [trouble(f"k{n}", level) for n, level in enumerate(history[-1]) if level is not OK]
    assert memory.look(again, NOW + len(history) * MINUTE) == []


@given(HISTORIES)
def test_sms_hears_of_critical_alone_and_of_its_end(history: list[list[Level]]) -> None:
    """Every message to it is of something that is critical, or that it was told is."""
    memory = Memory(LOUD)
    played(history, memory)
    for _, message in memory.sent:
        if message.channel == "sms":
            (note,) = message.notes
            assert CRITICAL in (note.level, note.was)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=8), st.integers(1, 90))
def test_a_storm_in_any_rhythm_stays_below_its_limit(sizes: list[int], minutes: int) -> None:
    """At most five messages at once and twenty an hour for each channel, and at the end all is told."""
    memory = Memory()
    for n, size in enumerate(sizes):
        at = NOW + timedelta(minutes=n * minutes)
        found = memory.look([trouble(f"k:{m}") for m in range(size)], at)
        assert sum(message.channel == "slack" for message in found) <= 5
        recent = [message for then, message in memory.sent if at - then < HOUR and message.channel == "slack"]
        assert len(recent) <= 20
    last = [trouble(f"k:{m}") for m in range(sizes[-1])]
    memory.look(last, NOW + timedelta(minutes=len(sizes) * minutes + 61))
    assert memory.look(last, NOW + timedelta(minutes=len(sizes) * minutes + 62)) == []
