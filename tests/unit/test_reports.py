"""The report: nothing that failed is missing, the worst comes first, hostile text stays text."""

import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest

from upkeep import reports
from upkeep.findings import Finding, Level, Sample
from upkeep.reports import FAILED, NOT_COLLECTED, RAN, SUPERSEDED, Report, StepResult

DUE = datetime(2026, 7, 5, 2, tzinfo=UTC)
RED = frozenset({Level.CRITICAL})


def finding(level: str, key: str = "metric:overall_health", **fields: Any) -> Finding:
    return Finding(**{"key": key, "level": Level(level), "subject": "Overall health", "detail": "91 %", **fields})


def step(*findings: Finding, name: str = "health.system_status", state: str = RAN, **fields: Any) -> StepResult:
    return StepResult(name, "Health", "System status", state, findings=findings, **fields)


def report(*steps: StepResult, **fields: Any) -> Report:
    values = {
        "target": "primary",
        "target_title": "Agentic Ecosystem",
        "cadence": "daily",
        "kind": "calendar",
        "due": DUE,
        "deadline": DUE + timedelta(minutes=30),
        "period_start": DUE - timedelta(days=1),
        "period_end": DUE,
        "run_id": "scheduled__2026-07-05T02:00:00+00:00",
        "dag_id": "maintenance_daily",
        "made_at": DUE + timedelta(minutes=2),
        "requested_by": "",
        "dry_run": False,
        "late": "",
        "since": {},
        "samples": (),
        "incident_document": "incident-response-procedures.md",
    }
    return Report(steps=steps, **{**values, **fields})


class Page(HTMLParser):
    """The page as a browser reads it: its text, and every tag with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def links(self) -> list[str | None]:
        return [attrs.get("href") for tag, attrs in self.tags if tag == "a"]


def page(*steps: StepResult, **fields: Any) -> Page:
    return Page(reports.to_html(report(*steps, **fields)))


def test_findings_come_worst_first_whatever_the_order_of_the_steps() -> None:
    """Critical, unknown, warning, advisory, ok; within a level by key; the same from shuffled steps."""
    steps = [step(finding(level, key), name=key) for key, level in zip("fedcba", [*Level, "critical"], strict=True)]
    forwards, backwards = report(*steps).findings, report(*steps[::-1]).findings
    assert [f.level.value for f in forwards] == ["critical", "critical", "unknown", "warning", "advisory", "ok"]
    assert [f.key for f in forwards[:2]] == ["a", "c"]
    assert forwards == backwards


def test_the_page_shows_findings_worst_first() -> None:
    """A reader meets the critical finding before the warning before the ok one."""
    html = reports.to_html(
        report(step(finding("ok", detail="fine"), finding("warning", detail="meh"), finding("critical", detail="dire")))
    )
    main = html[html.index("<main>") :]
    assert main.index("dire") < main.index("meh") < main.index("<details") < main.index("fine")


@pytest.mark.parametrize("state", [FAILED, NOT_COLLECTED, "no answer"])
def test_a_step_that_did_not_run_is_an_unknown_finding(state: str) -> None:
    """Any state that leaves evidence missing is said, with its reason and what to do, and never ok."""
    one = report(step(finding("ok")), step(name="errors.get_error_trends", state=state, reason="HTTP 500"))
    missing = one.findings[0]
    assert (missing.key, missing.level) == ("step:errors.get_error_trends", Level.UNKNOWN)
    assert state in missing.detail and "HTTP 500" in missing.detail and missing.remedy
    assert one.level is Level.UNKNOWN and one.counts[Level.UNKNOWN] == 1
    assert [s.state for s in one.not_collected] == [state]
    text = Page(reports.to_html(one)).text
    assert f"System status — {state}: HTTP 500" in text


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
    assert "superseded by 2026-07-06" in Page(reports.to_html(one)).text
    assert reports.headline(one) == "1 finding, all ok, 1 step superseded"


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
    assert reports.verdict(report(*steps, dry_run=dry_run), red_on)[0] is red


def test_the_sentence_says_how_many_and_what() -> None:
    """One line that a person woken at night understands, the worst finding spelled out, hidden characters shown."""
    one = report(step(finding("critical", detail="71 %\n\u202ebad"), finding("ok")), step(name="x", state=FAILED))
    _, sentence = reports.verdict(one, RED)
    assert sentence == "1 critical, 1 unknown of 3 findings — Overall health: 71 % ⟨U+202E⟩bad"
    assert reports.headline(report(step(state=FAILED))).startswith("Nothing was collected: none of 1 step ran")
    assert reports.headline(report(dry_run=True)).startswith("Dry run: nothing was collected")
    assert reports.headline(report(step())) == "Nothing was judged: 1 step ran without a finding"
    assert len(reports.headline(report(step(finding("critical", detail="x" * 10_000))))) < 250


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
        source="include/sql/checks/connections.sql",
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
        *("include/sql/checks/connections.sql", "0123456789ab", "2026-07-02 02:00 UTC, for 3 days", "90.0 s"),
        *("due 2026-07-05 02:00 UTC", "Deadline 2026-07-05 02:30 UTC", "late: 2:30:00 after", "requested by alice"),
        *("period 2026-07-04 02:00 UTC to 2026-07-05 02:00 UTC", "cpu", "4.5 %"),
    ):
        assert words in seen.text
    assert "http://localhost/log" in seen.links


def test_since_is_not_taken_from_an_ok_finding() -> None:
    """An ok finding has no "since" on the page or in the JSON, and one that nobody recorded says so."""
    since = {"metric:overall_health": DUE - timedelta(days=3)}
    assert "for 3 days" not in page(step(finding("ok")), since=since).text
    assert reports.to_json(report(step(finding("ok")), since=since))["findings"][0]["since"] is None
    assert "not recorded before this report" in page(step(finding("warning"))).text


def test_levels_are_told_by_word_and_shape_and_not_by_colour_alone() -> None:
    """Each finding's level has its word and its own shape."""
    for level in Level:
        seen = page(step(finding(level.value)))
        assert f"1 {level.value}" in seen.text
        assert ("use", {"href": f"#{level.value}"}) in seen.tags


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
    whole = report(one, samples=samples, **dict.fromkeys(names, HOSTILE))
    html = reports.to_html(whole)
    seen, plain = Page(html), page(step(finding("critical")))
    assert {tag for tag, _ in seen.tags} <= {tag for tag, _ in plain.tags} | {"details", "summary", "pre"}
    assert not [attrs for _, attrs in seen.tags if any(name.startswith("on") for name in attrs)]
    assert "{{7*7}}" in seen.text and "<script>alert(1)</script>" in seen.text
    for code in ("202E", "2066", "200B", "FEFF", "0000", "001B", "D800", "3164"):
        assert f"⟨U+{code}⟩" in seen.text
        assert chr(int(code, 16)) not in html
    html.encode()
    json.dumps(reports.to_json(whole), ensure_ascii=False, allow_nan=False).encode()


def test_nothing_on_the_page_runs_or_loads() -> None:
    """No script, no event handler, no external resource, so that it survives a CSP that forbids everything."""
    seen = page(step(finding("critical")))
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & {tag for tag, _ in seen.tags}
    assert not [attrs for _, attrs in seen.tags if "src" in attrs]
    assert "url(" not in reports.to_html(report()) and "@import" not in reports.to_html(report())


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
    text = Page(reports.to_html(one)).text
    assert "END" not in text and "x" * 2_000 in text and "x" * 2_001 not in text
    assert "50,003 characters left out here" in text
    found = reports.to_json(one)["findings"][0]
    assert found["detail"].endswith("xEND")
    assert found["expected"] == "é" * 50_000 + " … [20,000 bytes left out]"


@pytest.mark.parametrize("kinds", [1, 7, 10_000])
def test_ten_thousand_findings_stay_a_page(kinds: int) -> None:
    """Rendered in under two seconds, capped by key group and level, every left-out finding counted."""
    many = [finding("warning", f"kind{i % kinds}:{i}", detail="slow " * 20, remedy="wait") for i in range(10_000)]
    one = report(step(*many))
    start = time.perf_counter()
    html = reports.to_html(one)
    assert time.perf_counter() - start < 2
    assert len(html) < 1_000_000
    seen = Page(html)
    shown = sum(tag == "article" for tag, _ in seen.tags)
    left_out = [int(word.replace(",", "")) for word in _before(seen.text, " more warning findings of ")]
    assert 0 < shown <= reports.HTML_LEVEL
    assert shown + sum(left_out) == 10_000
    assert "10,000 warning" in seen.text and len(reports.to_json(one)["findings"]) == 10_000


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
    document = reports.to_json(one)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert set(document) == {
        *("schema_version", "level", "headline", "counts", "target", "window", "run", "incident_document"),
        *("findings", "steps", "samples"),
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
        *("since", "step", "source", "log_url"),
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
