"""The report: nothing that failed is missing, the worst comes first, hostile text stays text."""

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.stages.reports import DAY, DUE, Page, earlier, finding, report, step
from upkeep.core.findings import Bands, Finding, Interval, Level, Sample
from upkeep.report.changes import compare
from upkeep.report.document import to_json
from upkeep.report.headline import headline, lateness_finding, verdict
from upkeep.report.model import (
    FAILED,
    NOT_COLLECTED,
    REPORT_STEP,
    SUPERSEDED,
    EarlierFinding,
    History,
    Point,
    StepResult,
)
from upkeep.report.page import HTML_LEVEL, to_html
from upkeep.report.plots import plot

RED = frozenset({Level.CRITICAL})


BANDS = {
    "error_rate": ("[0, 0.5)", "[0.5, 2]", "(2, 100]", "%", "G34"),
    "overall_health": ("(95, 100]", "[90, 95]", "[0, 90)", "%", "G32"),
    "response_time": ("[0, 500)", "[500, 1000]", "(1000, inf)", "ms", "G33"),
}


def history(*values: float | None, metric: str = "error_rate", title: str = "Error rate") -> History:
    """A calendar window a day, the last one is this report's."""
    *bands, unit, guide = BANDS[metric]
    dues = [DUE - n * DAY for n in reversed(range(len(values)))]
    points = tuple(Point(due, due - DAY, "calendar", value) for due, value in zip(dues, values, strict=True))
    return History(metric, title, Bands(*map(Interval.parse, bands), unit, guide), points)


def page(*steps: StepResult, **fields: Any) -> Page:
    return Page(to_html(report(*steps, **fields)))


def test_findings_come_worst_first_whatever_the_order_of_the_steps() -> None:
    """Critical, unknown, warning, advisory, ok; within a level by key; the same from shuffled steps."""
    steps = [step(finding(level, key), name=key) for key, level in zip("fedcba", [*Level, "critical"], strict=True)]
    forwards, backwards = report(*steps).findings, report(*steps[::-1]).findings
    assert [f.level.value for f in forwards] == ["critical", "critical", "unknown", "warning", "advisory", "ok"]
    assert [f.key for f in forwards[:2]] == ["a", "c"]
    assert forwards == backwards


def test_the_page_shows_findings_worst_first() -> None:
    """A reader meets the critical finding before the warning before the ok one."""
    html = to_html(
        report(step(finding("ok", detail="fine"), finding("warning", detail="meh"), finding("critical", detail="dire")))
    )
    main = html[html.index("<main>") :]
    assert main.index("dire") < main.index("meh") < main.index("<details") < main.index("fine")


@pytest.mark.guide("X3", "fires")
@pytest.mark.parametrize("state", [FAILED, NOT_COLLECTED, "no answer"])
def test_a_step_that_did_not_run_is_an_unknown_finding(state: str) -> None:
    """Any state that leaves evidence missing is said, with its reason and what to do, and never ok."""
    one = report(step(finding("ok")), step(name="errors.get_error_trends", state=state, reason="HTTP 500"))
    missing = one.findings[0]
    assert (missing.key, missing.level) == ("step:errors.get_error_trends", Level.UNKNOWN)
    assert state in missing.detail and "HTTP 500" in missing.detail and missing.remedy
    assert one.level is Level.UNKNOWN and one.counts[Level.UNKNOWN] == 1
    assert [s.state for s in one.not_collected] == [state]
    text = Page(to_html(one)).text
    said = "System status — HTTP 500" if state == NOT_COLLECTED else f"System status — {state}: HTTP 500"
    assert f"not collected {said}" in text


def test_a_failed_step_that_says_unknown_itself_is_not_told_twice() -> None:
    """The check's own UNKNOWN finding stands for the failure; its other findings are kept."""
    own = finding("unknown", detail="malformed JSON")
    assert report(step(own, state=FAILED)).findings == (own,)
    partial = report(step(finding("warning"), state=FAILED))
    assert [f.level for f in partial.findings] == [Level.UNKNOWN, Level.WARNING]


def test_a_superseded_step_is_listed_but_is_no_finding() -> None:
    """A late window's point-in-time looks are not collected, which is neither ok nor unknown."""
    one = report(step(finding("ok")), step(name="x", state=SUPERSEDED, reason="superseded by 2026-07-06"))
    assert one.level is Level.OK
    assert "superseded by 2026-07-06" in Page(to_html(one)).text
    assert headline(one) == "1 finding, all ok, 1 step superseded"


@pytest.mark.parametrize(
    ("steps", "red_on", "dry_run", "red"),
    [
        ([step(finding("critical"))], RED, False, True),
        ([step(finding("warning"))], RED, False, False),
        ([step(finding("warning"), finding("critical"))], {Level.WARNING}, False, True),
        ([step(finding("ok"))], RED, False, False),
        ([step(finding("ok")), step(state=FAILED)], {Level.UNKNOWN}, False, True),
        ([step(state=FAILED)], set(), False, True),
        ([step(state=SUPERSEDED)], set(), False, True),
        ([], set(), False, True),
        ([step()], {Level.UNKNOWN}, False, True),
        ([step()], RED, False, False),
        ([step(state=NOT_COLLECTED)], {Level.UNKNOWN}, True, False),
        ([], RED, True, False),
        ([step(finding("critical"))], RED, True, True),
    ],
)
def test_the_verdict(steps: list[StepResult], red_on: set[Level], dry_run: bool, red: bool) -> None:
    """Red for a level in red_on, and whenever nothing ran at all, a dry run apart."""
    assert verdict(report(*steps, dry_run=dry_run), red_on)[0] is red


def test_the_sentence_says_how_many_and_what() -> None:
    """One line that a person woken at night understands, the worst finding spelled out, hidden characters shown."""
    one = report(step(finding("critical", detail="71 %\n\u202ebad"), finding("ok")), step(name="x", state=FAILED))
    _, sentence = verdict(one, RED)
    assert sentence == "1 critical, 1 unknown of 3 findings — Overall health: 71 % ⟨U+202E⟩bad"
    assert headline(report(step(state=FAILED))).startswith("Nothing was collected: none of 1 step ran")
    assert headline(report(dry_run=True)).startswith("Dry run: nothing was collected")
    assert headline(report(step())) == "Nothing was judged: 1 step ran without a finding"
    assert len(headline(report(step(finding("critical", detail="x" * 10_000))))) < 250


def test_every_field_of_a_finding_and_of_its_step_is_on_the_page() -> None:
    """What was seen, what was expected, since when, what to do, which guide item, which step and source."""
    bad = finding(
        "critical",
        "k:1",
        subject="SUBJ",
        detail="SEEN",
        expected="WANTED",
        remedy="DO",
        guide="G32",
        metadata={"a": "META"},
    )
    one = step(
        bad,
        source="include/sql/database/connections.sql",
        digest="0123456789abcdef",
        log_url="http://localhost/log",
        started=DUE,
        ended=DUE + timedelta(seconds=90),
    )
    since = {"k:1": DUE - timedelta(days=3)}
    seen = page(
        one, since=since, requested_by="alice", late="2:30:00 after its deadline", samples=(Sample("cpu", 4.5, "%"),)
    )
    for words in (
        *("critical", "SUBJ", "SEEN", "WANTED", "DO", "Guide G32", "META", "Key k:1", "Health / System status"),
        *(
            "include/sql/database/connections.sql",
            "0123456789ab",
            "Seen since 2026-07-02 02:00 UTC, 3 days ago",
            "90.0 s",
        ),
        *("due 2026-07-05 02:00 UTC", "Deadline 2026-07-05 02:30 UTC", "late: 2:30:00 after", "requested by alice"),
        *("period 2026-07-04 02:00 UTC to 2026-07-05 02:00 UTC", "cpu", "4.5 %"),
    ):
        assert words in seen.text
    assert "http://localhost/log" in seen.links


def test_since_is_not_taken_from_an_ok_finding() -> None:
    """An ok finding has no "since" on the page or in the JSON, and one that nobody recorded says so."""
    since = {"metric:overall_health": DUE - timedelta(days=3)}
    assert "Seen since" not in page(step(finding("ok")), since=since).text
    assert to_json(report(step(finding("ok")), since=since))["findings"][0]["since"] is None
    assert "not recorded before this report" in page(step(finding("warning"))).text


def test_levels_are_told_by_word_and_shape_and_not_by_colour_alone() -> None:
    """Each finding's level has its word and its own shape."""
    for level in Level:
        seen = page(step(finding(level.value)))
        assert f"1 {level.value}" in seen.text
        assert ("use", {"href": f"#{level.value}"}) in seen.tags


@pytest.mark.guide("G137", "fires", "silent")
@pytest.mark.parametrize(("document", "link"), [("https://wiki.test/i.md", True), ("docs/incident.md", False)])
def test_something_critical_names_the_incident_response_document(document: str, link: bool) -> None:
    """G137: a link when it is a web address, else its name; the call to follow it only when critical."""
    bad, fine = (page(step(finding(level)), incident_document=document) for level in ("critical", "warning"))
    assert f"Follow the incident-response procedures: {document}" in bad.text
    assert (document in bad.links) is link
    assert "Follow the incident-response" not in fine.text and document in fine.text


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'></style> {{7*7}} "
HOSTILE += "\u202egnp\u2066\u200b\ufeff\x00\x1b[31m\ud800\u3164"


def test_hostile_text_is_shown_and_does_nothing() -> None:
    """No tag, attribute or template from outside; control, bidi and invisible characters are spelled out."""
    fields = dict.fromkeys(("key", "subject", "detail", "expected", "remedy", "guide"), HOSTILE)
    bad = Finding(level=Level.CRITICAL, metadata={HOSTILE: HOSTILE}, **fields)
    one = StepResult(HOSTILE, HOSTILE, HOSTILE, HOSTILE, HOSTILE, None, None, (bad,), HOSTILE, HOSTILE, HOSTILE)
    names = (
        "target",
        "target_title",
        "cadence",
        "kind",
        "run_id",
        "dag_id",
        "requested_by",
        "late",
        "incident_document",
    )
    samples = (Sample(HOSTILE, 1.0, HOSTILE, HOSTILE),)
    past = (EarlierFinding(HOSTILE, DUE, HOSTILE + "2", Level.WARNING, HOSTILE, HOSTILE),)
    own = (Finding(HOSTILE, Level.UNKNOWN, HOSTILE, HOSTILE),)
    whole = report(
        one,
        samples=samples,
        history=(history(1.0, None, title=HOSTILE),),
        earlier=past,
        own=own,
        **dict.fromkeys(names, HOSTILE),
    )
    html = to_html(whole)
    seen, plain = Page(html), page(step(finding("critical")), history=(history(1.0, None),), earlier=past)
    assert {tag for tag, _ in seen.tags} <= {tag for tag, _ in plain.tags} | {"details", "summary", "pre"}
    assert not [attrs for _, attrs in seen.tags if any(name.startswith("on") for name in attrs)]
    assert "{{7*7}}" in seen.text and "<script>alert(1)</script>" in seen.text
    for code in ("202E", "2066", "200B", "FEFF", "0000", "001B", "D800", "3164"):
        assert f"⟨U+{code}⟩" in seen.text
        assert chr(int(code, 16)) not in html
    html.encode()
    json.dumps(to_json(whole), ensure_ascii=False, allow_nan=False).encode()


def test_nothing_on_the_page_runs_or_loads() -> None:
    """No script, no event handler, no external resource, so that it survives a CSP that forbids everything."""
    seen = page(step(finding("critical")))
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & {tag for tag, _ in seen.tags}
    assert not [attrs for _, attrs in seen.tags if "src" in attrs]
    assert "url(" not in to_html(report()) and "@import" not in to_html(report())


def test_a_web_address_cannot_leave_its_attribute() -> None:
    """A quote in a URL stays in the URL."""
    url = "https://host/'\"><script>alert(1)</script>"
    seen = page(step(finding("critical"), log_url=url))
    assert set(seen.links) == {url}
    assert "script" not in {tag for tag, _ in seen.tags}


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//host/x", "http:\\\\host", " https://h", "x"]
)
def test_only_web_addresses_become_links(url: str) -> None:
    """Anything but http(s) is text."""
    seen = page(step(finding("critical"), log_url=url), incident_document=url)
    assert seen.links == []


def test_long_text_is_cut_on_the_page_and_whole_in_the_json() -> None:
    """2,000 characters on the page with the number left out, 100 kB in the JSON."""
    one = report(step(finding("warning", detail="x" * 52_000 + "END", expected="é" * 60_000)))
    text = Page(to_html(one)).text
    assert "END" not in text and "x" * 2_000 in text and "x" * 2_001 not in text
    assert "50,003 characters left out here" in text
    found = to_json(one)["findings"][0]
    assert found["detail"].endswith("xEND")
    assert found["expected"] == "é" * 50_000 + " … [20,000 bytes left out]"


@pytest.mark.parametrize("kinds", [1, 7, 10_000])
def test_ten_thousand_findings_stay_a_page(kinds: int) -> None:
    """Less than a megabyte, capped by key group and level, every left-out finding counted."""
    many = [finding("warning", f"kind{i % kinds}:{i}", detail="slow " * 20, remedy="wait") for i in range(10_000)]
    one = report(step(*many))
    html = to_html(one)
    assert len(html) < 1_000_000
    seen = Page(html)
    shown = sum(tag == "article" for tag, _ in seen.tags)
    left_out = [int(word.replace(",", "")) for word in _before(seen.text, " more warning findings of ")]
    assert 0 < shown <= HTML_LEVEL
    assert shown + sum(left_out) == 10_000
    assert "10,000 warning" in seen.text and len(to_json(one)["findings"]) == 10_000


def _before(text: str, marker: str) -> list[str]:
    return [part.rsplit(" ", 1)[-1] for part in text.split(marker)[:-1]]


def test_many_samples_are_capped_and_counted() -> None:
    """The table holds 200 rows and says how many more the JSON has."""
    samples = tuple(Sample("size", float(i), "bytes", f"t{i}") for i in range(1_000))
    assert "800 more samples are in the JSON only" in page(step(finding("ok")), samples=samples).text


def test_the_json_has_its_documented_shape() -> None:
    """The exact keys at each place, times in UTC, values that JSON knows."""
    bad = finding("critical", metadata={"n": Decimal("1.5"), "nan": float("nan"), "at": DUE, 7: [b"x", None, True]})
    one = report(
        step(bad, started=DUE, ended=DUE, digest="ab"),
        since={bad.key: DUE.astimezone()},
        samples=(Sample("cpu", 4.5, "%"),),
    )
    document = to_json(one)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert set(document) == {
        *("schema_version", "interim", "level", "headline", "counts", "target", "window", "run", "incident_document"),
        *("findings", "steps", "samples", "do_first", "previous", "gone", "not_looked_at", "history", "checklist"),
        *("gate", "looks", "thresholds", "signing", "exceptions", "stories"),
    }
    assert document["schema_version"] == 1
    assert document["counts"] == {"critical": 1, "unknown": 0, "warning": 0, "advisory": 0, "ok": 0}
    assert document["target"] == {"name": "primary", "title": "Agentic Ecosystem"}
    assert document["window"] == {
        "cadence": "daily",
        "kind": "calendar",
        "due": "2026-07-05T02:00:00+00:00",
        "deadline": "2026-07-05T02:30:00+00:00",
        "period_start": "2026-07-04T02:00:00+00:00",
        "period_end": "2026-07-05T02:00:00+00:00",
        "late": "",
    }
    assert set(document["run"]) == {"dag_id", "run_id", "made_at", "requested_by", "dry_run"}
    assert set(document["findings"][0]) == {
        *("key", "level", "subject", "detail", "expected", "remedy", "guide", "metadata"),
        *("since", "begun_after", "first_seen", "new", "was", "step", "source", "log_url"),
    }
    assert document["findings"][0]["since"] == "2026-07-05T02:00:00+00:00"
    assert document["findings"][0]["metadata"] == {
        "n": "1.5",
        "nan": "nan",
        "at": "2026-07-05T02:00:00+00:00",
        "7": ["b'x'", None, True],
    }
    assert set(document["steps"][0]) == {
        *("step", "group", "title", "state", "reason", "started", "ended", "source", "digest", "log_url", "findings"),
    }
    assert document["samples"] == [{"metric": "cpu", "subject": "", "value": 4.5, "unit": "%"}]


# What changed ---------------------------------------------------------------------------------------------------


def looked(*findings: Finding, **fields: Any) -> StepResult:
    """A step that looked in this window."""
    return step(*findings, started=DUE + timedelta(seconds=5), **fields)


def test_a_finding_first_seen_by_this_windows_own_look_is_new() -> None:
    """Since this look: new, on the card, in the list, in the JSON; since yesterday, unrecorded or ok: not."""
    now, before = DUE + timedelta(seconds=5), DUE - DAY
    found = [finding("warning", key, subject=key) for key in ("fresh", "old", "unrecorded")]
    one = report(looked(*found, finding("ok", "fine")), since={"fresh": now, "old": before, "fine": now})
    assert [f.key for f in compare(one).new] == ["fresh"]
    assert {f["key"]: f["new"] for f in to_json(one)["findings"]} == {
        "fresh": True,
        "old": False,
        "unrecorded": False,
        "fine": False,
    }
    text = Page(to_html(one)).text
    assert "warning new fresh" in text and "warning new old" not in text and "New 1 warning · fresh" in text


def test_what_is_no_longer_there_or_better_is_listed_with_its_old_level() -> None:
    """Gone, now ok, and better; worst first. What is the same, or worse, is not gone."""
    one = report(
        looked(
            finding("ok", "mended"),
            finding("advisory", "better"),
            finding("warning", "same"),
            finding("critical", "up"),
        ),
        earlier=(
            earlier("away", "warning", subject="Away"),
            earlier("mended", "critical"),
            earlier("better", "warning"),
            earlier("same", "warning"),
            earlier("up", "advisory"),
        ),
    )
    changes = compare(one)
    assert [(was.key, was.level.value, now and now.level.value) for was, now in changes.gone] == [
        ("mended", "critical", "ok"),
        ("away", "warning", None),
        ("better", "warning", "advisory"),
    ]
    assert [(f.key, was.value) for f, was in changes.worse] == [("up", "advisory")]
    assert changes.not_looked_at == ()
    text = Page(to_html(one)).text
    assert "Gone since 2026-07-04 02:00 UTC, or better 3" in text and "gone · was warning Away 88 %" in text
    assert "critical was advisory Overall health" in text and "critical, was advisory" in text
    document = to_json(one)
    assert [(was["key"], was["now"]) for was in document["gone"]] == [
        ("mended", "ok"),
        ("away", None),
        ("better", "advisory"),
    ]
    assert [f["was"] for f in document["findings"]] == ["advisory", None, "warning", "critical"]


def test_unknown_is_neither_better_nor_worse_than_what_is_known() -> None:
    """Critical that became unknown is not gone, unknown that became a warning is no improvement; to ok is."""
    one = report(
        looked(finding("unknown", "a"), finding("warning", "b"), finding("ok", "c")),
        earlier=(earlier("a", "critical"), earlier("b", "unknown"), earlier("c", "unknown")),
    )
    changes = compare(one)
    assert [was.key for was, _ in changes.gone] == ["c"]
    assert (changes.worse, changes.not_looked_at) == ((), ())
    assert "unknown was critical" in Page(to_html(one)).text


@pytest.mark.parametrize("state", [FAILED, NOT_COLLECTED, SUPERSEDED])
def test_what_a_step_saw_before_is_not_gone_while_it_does_not_run(state: str) -> None:
    """It is listed as not looked at; the same when the step is no longer there; gone once it runs."""
    was = earlier("away", "critical", subject="Away")
    for steps in ([step(state=state)], [], [looked(name="another")]):
        one = report(*steps, earlier=(was,))
        assert compare(one).gone == ()
        assert compare(one).not_looked_at == (was,)
        text = Page(to_html(one)).text
        assert "Not looked at this time 1" in text and "Gone since" not in text
        assert [found["key"] for found in to_json(one)["not_looked_at"]] == ["away"]
    assert compare(report(looked(), earlier=(was,))).not_looked_at == ()


def test_a_check_that_ran_but_could_not_see_its_kind_of_finding_makes_none_of_them_gone() -> None:
    """A log that is hidden now is UNKNOWN under the same beginning of the key."""
    was = (earlier("failed_logins:address:192.0.2.1", "warning"), earlier("rate_limits:events", "warning"))
    changes = compare(report(looked(finding("unknown", "failed_logins")), earlier=was))
    assert [one.key for one in changes.not_looked_at] == ["failed_logins:address:192.0.2.1"]
    assert [one.key for one, _ in changes.gone] == ["rate_limits:events"]


def test_nothing_changed_is_said_and_so_is_having_nothing_to_compare_with() -> None:
    """A quiet day and the very first window read differently."""
    assert "no earlier window is known" in page(looked(finding("ok"))).text
    quiet = page(looked(finding("ok")), history=(history(0.1, 0.1),)).text
    assert "Since the window of 2026-07-04 02:00 UTC Nothing is new, nothing got worse, nothing is gone." in quiet


def test_many_changes_are_counted_and_new_ones_stay_on_the_page() -> None:
    """Eight of each kind; of a group that is cut the new findings are kept."""
    many = [finding("warning", f"kind:{i:04}", subject=f"S{i:04}") for i in range(1_000)]
    past = tuple(earlier(f"gone:{i:04}", "warning", subject=f"G{i:04}") for i in range(1_000))
    text = page(looked(*many), since={"kind:0999": DUE + DAY}, earlier=past).text
    assert (
        "new S0999" in text
        and "and 992 more; the JSON has them all" in text
        and "G0007" in text
        and "G0008" not in text
    )


# The six metrics ------------------------------------------------------------------------------------------------


def test_bands_tile_the_plot_and_the_thresholds_are_where_they_meet() -> None:
    """Ok at the bottom for an error rate, at the top for health; no gap between the shades, each threshold named."""
    for metric, values in (("error_rate", (0.1, 3.0)), ("overall_health", (99.0, 80.0))):
        drawn = plot(history(*values, metric=metric))
        shades = sorted((y, y + height, level) for level, y, height in drawn.bands)
        assert [level.value for _, _, level in shades] == (
            ["critical", "warning", "ok"] if metric == "error_rate" else ["ok", "warning", "critical"]
        )
        assert shades[0][1] == pytest.approx(shades[1][0], abs=0.11)
        assert shades[1][1] == pytest.approx(shades[2][0], abs=0.11)
        assert sorted(y for y, _, _ in drawn.thresholds) == pytest.approx([shades[1][0], shades[1][1]], abs=0.11)
    assert {words for _, words, _ in plot(history(0.1)).thresholds} == {"0.5", "2"}


def test_a_samples_mark_lies_in_the_shade_of_its_level() -> None:
    """Exact boundaries too: 0.5 and 2 are a warning."""
    drawn = plot(history(0.49, 0.5, 2.0, 2.01))
    assert [mark.level.value for mark in drawn.marks] == ["ok", "warning", "warning", "critical"]
    for mark in drawn.marks:
        ((y, height),) = [(y, height) for level, y, height in drawn.bands if level is mark.level]
        assert y - 0.1 <= mark.y <= y + height + 0.1
    assert drawn.level is Level.CRITICAL and drawn.last == "2.01 %"


def test_a_window_without_a_sample_is_a_gap_in_the_line() -> None:
    """Two rows of points with a mark for the hole between them; a lone sample is a point without a line."""
    drawn = plot(history(0.1, 0.2, None, 0.3, 0.4, None, 0.1))
    assert [len(line.split()) for line in drawn.lines] == [2, 2]
    assert (len(drawn.marks), len(drawn.gaps)) == (5, 2)
    first_end, second_start = (float(drawn.lines[n].split()[-1 + n].split(",")[0]) for n in (0, 1))
    assert first_end < drawn.gaps[0] < second_start
    assert "2 windows without a sample" in drawn.words and "7 windows" in drawn.words


def test_a_day_on_which_no_window_was_opened_is_a_gap_too() -> None:
    """The calendar had an occurrence that the ledger knows nothing of; a manual window between fills no hole."""
    whole = history(0.1, 0.1, 0.1, 0.1)
    hole = replace(whole, points=(whole.points[0], *whole.points[2:]))
    assert (plot(whole).gaps, len(plot(whole).lines)) == ((), 1)
    drawn = plot(hole)
    assert (len(drawn.gaps), len(drawn.lines), len(drawn.marks)) == (1, 1, 3)
    assert "1 window or more missing from the calendar" in drawn.words
    by_hand = Point(DUE - timedelta(hours=3), DUE - DAY, "manual", 0.2)
    drawn = plot(replace(whole, points=(*whole.points[:3], by_hand, whole.points[3])))
    assert drawn.gaps == () and [mark.kind for mark in drawn.marks].count("manual") == 1
    assert "1 window run by hand" in drawn.words


def test_one_sample_none_and_the_same_ones() -> None:
    """A point in the middle, an empty plot that says so, and a straight line; no division by nothing."""
    one = plot(history(0.1))
    assert (len(one.marks), one.lines, one.range) == (1, (), "one sample, 0.1 %")
    none = plot(history(None, None))
    assert (none.marks, none.lines, none.last, none.level) == ((), (), "not collected", Level.UNKNOWN)
    assert none.range == "no sample yet" and len(none.bands) == 3
    assert plot(replace(history(0.1), points=())).words == "Error rate: no window is known."
    same = plot(history(0.5, 0.5, 0.5))
    assert len({mark.y for mark in same.marks}) == 1 and same.range == "always 0.5 %"


def test_a_metric_that_is_missing_now_says_when_it_was_last_known() -> None:
    """Never yesterday's value as today's."""
    drawn = plot(history(0.1, 1.5, None))
    assert (drawn.last, drawn.level) == ("not collected", Level.UNKNOWN)
    assert drawn.range == "0.1 to 1.5 %; last known 1.5 %, 2026-07-04 02:00 UTC"


@pytest.mark.parametrize(
    ("metric", "value", "off", "level"),
    [
        ("response_time", 1e9, "above", "critical"),
        ("error_rate", 300.0, "above", "unknown"),
        ("overall_health", -5.0, "below", "unknown"),
    ],
)
def test_a_value_far_out_does_not_flatten_the_rest(metric: str, value: float, off: str, level: str) -> None:
    """It is drawn at the edge and says so, and the bands keep their places."""
    drawn = plot(history(99.0 if metric == "overall_health" else 0.3, value, metric=metric))
    assert (drawn.marks[-1].off, drawn.marks[-1].level.value) == (off, level)
    assert all(height > 3 for _, _, height in drawn.bands)
    assert to_html(report(looked(finding("ok")), history=(history(value, metric=metric),)))


def test_a_number_that_is_none_is_no_sample() -> None:
    """NaN and the infinities cannot be placed."""
    drawn = plot(history(0.1, float("nan"), float("inf")))
    assert (len(drawn.marks), len(drawn.gaps), drawn.last) == (1, 2, "not collected")


def test_the_page_shows_the_plots_in_words_too() -> None:
    """An inline image with a name for those who do not see it, the last value, its level and the range in text."""
    seen = page(looked(finding("ok")), history=(history(0.1, 3.0), history(99.0, metric="overall_health")))
    labels = [attrs["aria-label"] for tag, attrs in seen.tags if tag == "svg" and attrs.get("role") == "img"]
    assert labels[0] == (
        "Error rate, 2 windows from 2026-07-04 02:00 UTC to 2026-07-05 02:00 UTC: "
        "now 3 %, critical; 0.1 to 3 %; 1 window critical."
    )
    assert len(labels) == 2 and "3 % critical" in seen.text and "ok below 0.5 %, critical above 2 %" in seen.text
    document = to_json(report(history=(history(0.1, None),)))
    assert document["history"] == [
        {
            **{"metric": "error_rate", "title": "Error rate", "guide": "G34", "unit": "%"},
            **{"ok": "[0, 0.5)", "warning": "[0.5, 2]", "critical": "(2, 100]"},
            "windows": [
                {"due": "2026-07-04T02:00:00+00:00", "kind": "calendar", "value": 0.1},
                {"due": "2026-07-05T02:00:00+00:00", "kind": "calendar", "value": None},
            ],
        }
    ]


def unjudged(*values: float | None, unit: str = "requests") -> History:
    """A metric that nothing judges."""
    one = history(*values)
    return History("week_requests", "Requests", None, one.points, own_unit=unit, own_guide="G91")


@pytest.mark.guide("G17", "holds")
def test_a_metric_without_bands_is_drawn_without_any_and_judged_by_nobody() -> None:
    """Its axis begins at nothing; neither a shade nor a level, on the page and in the JSON."""
    drawn = plot(unjudged(100.0, 200.0, None, 150.0))
    assert (drawn.bands, drawn.thresholds, drawn.level, drawn.expected) == ((), (), None, "")
    assert [mark.level for mark in drawn.marks] == [None] * 3 and len(drawn.gaps) == 1
    assert drawn.marks[0].y > drawn.marks[2].y > drawn.marks[1].y
    assert (drawn.guide, drawn.last, drawn.range) == ("G91", "150 requests", "100 to 200 requests")
    assert "now 150 requests; 100 to 200 requests; 1 window without a sample" in drawn.words
    assert plot(unjudged(0.0)).marks and plot(unjudged(None)).last == "not collected"
    one = report(looked(finding("ok")), cadence="weekly", history=(unjudged(100.0), history(0.1)))
    seen = Page(to_html(one))
    assert "Week against week" in seen.text and "Six metrics" not in seen.text and "None" not in seen.text
    (told, _) = to_json(one)["history"]
    assert (told["ok"], told["warning"], told["critical"], told["unit"]) == (None, None, None, "requests")


@pytest.mark.guide("G18", "holds")
def test_a_forecast_is_drawn_where_there_is_one() -> None:
    """On the page of a window whose capacity step had enough history, and on no other."""
    drawn = {"history": [[-30, 2.0**30], [0, 2.0**31]], "bytes_per_day": [1.0, 3.6e7, 5e7], "limit_bytes": 3 * 2.0**30}
    capacity = finding("ok", "capacity:forecast", metadata=drawn)
    seen = page(looked(capacity), cadence="weekly")
    assert "Database size: 1.0 GB 30 days ago, now 2.0 GB; in 15 days between" in seen.text
    assert [attrs.get("class") for tag, attrs in seen.tags if tag == "polygon"].count("wedge") == 1
    assert "Database size:" not in page(looked(finding("ok", "capacity:forecast"))).text


def test_bytes_are_drawn_in_words() -> None:
    """Nobody reads ten digits."""
    drawn = plot(unjudged(2.0**30, 3 * 2.0**30, unit="bytes"))
    assert (drawn.last, drawn.range) == ("3.0 GB", "1.0 GB to 3.0 GB")


# Not collected, the checklist, late -----------------------------------------------------------------------------


def test_a_metric_that_is_unknown_is_named_with_its_reason() -> None:
    """Beside the steps; a step's absence is told once."""
    gone = finding(
        "unknown", "metric:cpu_usage", subject="CPU usage", guide="G37", detail="not collected: found nothing"
    )
    failed = step(name="x", state=FAILED, reason="HTTP 500")
    text = page(looked(gone), failed).text
    assert "not collected CPU usage G37 — found nothing" in text
    section = text[text.index("Not collected, and why") : text.index("Run and steps")]
    assert section.count("HTTP 500") == 1
    assert "Not collected, and why" not in page(looked(finding("ok"))).text


def rows(*steps: StepResult, **fields: Any) -> dict[str, tuple[str, str]]:
    """The checklist's state and evidence by guide id, the same on the page and in the JSON."""
    one = report(*steps, **fields)
    found = to_json(one)["checklist"]
    text = Page(to_html(one)).text
    for row in found:
        assert f"{row['title']} {row['guide']} {row['state']} {row['evidence']}".rstrip() in text
        assert row["acknowledged"] is None
    return {row["guide"]: (row["state"], row["evidence"]) for row in found}


EVIDENCE = {
    "G119": ("health.system_status", "metric:cpu_usage"),
    "G120": ("errors.get_error_analytics", "error_analytics"),
    "G121": ("backups.newest_backup", "backups:completion"),
    "G122": ("performance.function_latencies", "latency:trust-scorer"),
}


@pytest.mark.guide("G119-G122", "fires", "silent")
@pytest.mark.parametrize("guide", EVIDENCE)
def test_a_row_of_the_checklist_follows_its_evidence(guide: str) -> None:
    """Ok, something to look at, not known, failed, not run, ok again: and no other row moves."""
    name, key = EVIDENCE[guide]
    quiet = rows()
    seen = []
    for one in (
        looked(finding("ok", key), name=name),
        looked(finding("ok", key), finding("advisory", key + "2", detail="meh"), name=name),
        looked(finding("ok", key), finding("unknown", key + "2", detail="hidden"), name=name),
        step(name=name, state=FAILED, reason="HTTP 500"),
        step(name=name, state=SUPERSEDED, reason="too late"),
        looked(finding("ok", key), name=name),
    ):
        found = rows(one)
        seen.append(found.pop(guide))
        assert found == {other: row for other, row in quiet.items() if other != guide}
    assert seen == [
        ("evidence ok", "1 finding: 1 ok"),
        ("look at it", "2 findings: 1 advisory, 1 ok — Overall health: meh"),
        ("not collected", "2 findings: 1 unknown, 1 ok — Overall health: hidden"),
        ("not collected", "1 finding: 1 unknown — System status: failed: HTTP 500"),
        ("superseded", "System status: superseded: too late"),
        ("evidence ok", "1 finding: 1 ok"),
    ]
    assert quiet[guide] == ("not collected", "no step of this window looks at it")


@pytest.mark.guide("G119", "fires")
def test_a_metric_from_another_call_is_evidence_for_the_health_dashboard() -> None:
    """Where a metric is found is configurable (X5), its key is not."""
    assert rows(looked(finding("critical"), name="database.scalability_report"))["G119"][0] == "look at it"


@pytest.mark.guide("G118", "fires", "silent")
def test_overnight_alerts_are_honestly_not_collected_until_a_check_reads_them() -> None:
    """Without their step nothing is known; a finding of guide item G118 is the evidence."""
    state, evidence = rows(looked(finding("ok")))["G118"]
    assert state == "not collected" and "no step of this window looks at it" in evidence
    assert rows(looked(finding("ok", "alerts", guide="G118")))["G118"] == ("evidence ok", "1 finding: 1 ok")
    assert rows(looked(finding("critical", "alerts", guide="G118")))["G118"][0] == "look at it"


@pytest.mark.guide("G118-G122", "holds")
def test_the_daily_checklist_is_the_daily_windows() -> None:
    """The weekly and the monthly one are others."""
    assert list(rows()) == ["G118", "G119", "G120", "G121", "G122"]
    assert set(rows(cadence="monthly")) == {"G128", "G129", "G130", "G131", "G132"}


WEEKLY = {
    "G123": "evidence.optimisation.dead_rows",
    "G124": "evidence.patches.npm_audit",
    "G125": "evidence.capacity.capacity",
}


@pytest.mark.guide("G123-G125", "fires", "silent")
@pytest.mark.parametrize("guide", WEEKLY)
def test_a_row_of_the_weekly_checklist_follows_its_evidence(guide: str) -> None:
    """Something to look at, then nothing; no other row moves."""
    quiet = rows(cadence="weekly")
    for level, state in (("advisory", "look at it"), ("ok", "evidence ok")):
        found = rows(looked(finding(level, "x"), name=WEEKLY[guide]), cadence="weekly")
        assert found.pop(guide)[0] == state
        assert found == {other: row for other, row in quiet.items() if other != guide}


@pytest.mark.guide("G126-G127", "holds")
def test_rows_that_no_machine_can_fill_say_so() -> None:
    """Documentation and the team's summary are people's; nothing turns green by itself."""
    found = rows(looked(finding("ok"), name="evidence.optimisation.dead_rows"), cadence="weekly")
    assert found["G126"] == (
        "not collected",
        "nothing is collected for it before the monthly review; a person has to look",
    )
    assert found["G127"][0] == "not collected" and "this report is the summary" in found["G127"][1]


def test_the_checklist_blocks_nothing() -> None:
    """Rows without evidence change neither level nor verdict."""
    one = report(looked(finding("ok", "other")))
    assert one.level is Level.OK and verdict(one, set(Level) - {Level.OK})[0] is False


def late(started: float, made: float) -> Finding | None:
    """The finding for a first step and a report so many minutes after due."""
    one = step(started=DUE + timedelta(minutes=started))
    return lateness_finding(DUE, DUE + timedelta(minutes=30), [one, step()], DUE + timedelta(minutes=made))


@pytest.mark.guide("G1", "silent")
def test_a_window_within_its_budget_is_not_late() -> None:
    """Exactly at the tolerance and at the deadline included."""
    assert late(0, 2) is None
    assert late(5, 30) is None
    assert lateness_finding(DUE, DUE + timedelta(minutes=30), [], DUE + timedelta(minutes=30)) is None


@pytest.mark.guide("G1", "fires")
def test_a_late_start_and_a_late_end_are_an_advisory() -> None:
    """G1: by how much, and against which budget."""
    start, end, both = late(5.1, 30), late(1, 33), late(90, 120)
    assert start and end and both
    assert {(f.key, f.level, f.guide) for f in (start, end, both)} == {("window:late", Level.ADVISORY, "G1")}
    assert start.detail == "it began 5 min after it was due"
    assert end.detail == "it ended 3 min after its deadline (2026-07-05 02:30 UTC)"
    assert both.detail == "it began 90 min after it was due; it ended 90 min after its deadline (2026-07-05 02:30 UTC)"
    assert both.expected == "a start within 5 min of 2026-07-05 02:00 UTC and an end within 30 min"


def test_the_reports_own_finding_is_one_of_its_findings_but_no_step() -> None:
    """It counts, it is new by its own look, and it neither judges nor stands for a step that ran."""
    found = late(1, 33)
    assert found
    made = DUE + timedelta(minutes=33)
    one = report(looked(finding("ok")), own=(found,), made_at=made, since={"window:late": made})
    assert one.level is Level.ADVISORY and one.counts[Level.ADVISORY] == 1
    assert headline(one).startswith("1 advisory of 2 findings — The window is late: it ended 3 min")
    assert [f.key for f in compare(one).new] == ["window:late"]
    assert "window / report" in Page(to_html(one)).text and len(to_json(one)["steps"]) == 1
    nothing = report(step(), own=(found,))
    assert nothing.level is Level.UNKNOWN and headline(nothing).startswith("Nothing was judged")
    assert verdict(report(own=(found,)), set())[0] is True


@pytest.mark.guide("G1", "silent")
def test_a_late_window_is_gone_with_the_next_one_in_time() -> None:
    """A manual window is never late, so it says nothing about the last one."""
    was = earlier("window:late", "advisory", REPORT_STEP)
    assert [one.key for one, _ in compare(report(looked(), earlier=(was,))).gone] == ["window:late"]
    assert compare(report(looked(), earlier=(was,), kind="manual")).not_looked_at == (was,)


def test_what_to_do_first_stands_at_the_top() -> None:
    """The worst finding's remedy, short; without one where to look; nothing when all is well."""
    bad = finding("critical", remedy="Pool them.\u202e " + "x" * 500)
    html = to_html(report(step(finding("ok"), bad)))
    text = Page(html[html.index("<header") : html.index("<main>")]).text
    assert "Do first: Pool them.⟨U+202E⟩ xxx" in text and "x" * 161 not in text
    assert text.index("Do first") < text.index("Agentic Ecosystem")
    assert "Do first: Look at “Overall health” below." in page(step(finding("warning"))).text
    assert "Nothing needs to be done." in page(step(finding("ok"))).text


def test_where_nothing_was_judged_the_steps_are_open() -> None:
    """What to do first leads to them; in a report with a finding they are folded."""
    blank = page(step(state=SUPERSEDED))
    assert "Do first: See under Run and steps why nothing was judged. Where" in blank.text
    assert ("a", {"href": "#steps"}) in blank.tags and ("details", {"id": "steps", "open": None}) in blank.tags
    for other in (page(step(finding("ok"))), page(step(), dry_run=True)):
        assert ("details", {"id": "steps"}) in other.tags and ("a", {"href": "#steps"}) not in other.tags


def test_the_report_names_the_thresholds_it_was_judged_by() -> None:
    """Their version and its people stand in the page and in the JSON; without one the page says nothing of it."""
    said = "version 2, approved by lena and <b>omar</b> on 2026-07-05 04:12 UTC"
    one = report(step(finding("ok")), thresholds=said)
    assert to_json(one)["thresholds"] == said
    assert '<dt>Thresholds</dt><dd class="free">version 2, approved by lena and &lt;b&gt;omar' in to_html(one)
    assert "Thresholds" not in to_html(report(step(finding("ok"))))
