"""A report tells what has one cause once: in its headline, in what to do first, on the page and in the JSON."""

from __future__ import annotations

import pytest

from tests.stages.reports import DUE, Page, finding, report, step
from upkeep.report.document import to_json
from upkeep.report.headline import do_first, headline
from upkeep.report.model import FAILED, Report, StepResult
from upkeep.report.page import HTML_GROUP, to_html

FUNCTIONS = [
    "production-monitoring",
    "error-tracking",
    "gdpr-compliance",
    "database-scalability",
    "trust-scorer",
    "vibe-analyzer",
    "agent-recommender",
]


def slow(level: str = "warning", functions: list[str] = FUNCTIONS) -> StepResult:
    """The step that times the functions."""
    timed = [
        finding(level, f"latency:{name}", subject=f"Response time of {name}", detail="900 ms") for name in functions
    ]
    return step(*timed, name="performance.function_latencies", source="health_check of each function")


def parts(html: str) -> str:
    """The page's section of findings."""
    return html[html.index('<section id="findings">') :].partition("</section>")[0]


def test_seven_slow_functions_are_one_line_with_seven_findings_folded_beneath() -> None:
    """In the headline and on the page, which opens none of them by itself."""
    one = report(slow(), step(finding("ok")))
    assert headline(one).startswith("7 warning of 8 findings, from 1 cause — All 7 functions are slow")
    assert do_first(one).startswith("Look at this host's load")
    shown = parts(to_html(one))
    assert shown.count("<article") == 1 + 7 + 1  # the story, its findings, the one that is ok
    story, folded = shown.partition("<details>")[::2]
    assert "All 7 functions are slow" in story and "Response time of" not in story
    assert all(folded.count(f"Response time of {name}<") == 1 for name in FUNCTIONS)
    assert "7 findings with this cause" in Page(folded).text


def test_one_slow_function_among_seven_stays_its_own() -> None:
    """Nothing is folded where the others are in time."""
    one = report(slow(functions=FUNCTIONS[:1]), slow("ok", FUNCTIONS[1:]))
    assert headline(one).startswith("1 warning of 7 findings — Response time of production-monitoring: 900 ms")
    assert 'class="finding story' not in to_html(one)


def test_a_function_that_does_not_answer_names_the_looks_that_depend_on_it() -> None:
    """Steps that failed count too: their source says whom they asked."""
    calls = ("get_errors", "get_error_analytics", "get_error_trends")
    failed = [
        step(name=f"errors.{call}", state=FAILED, reason="HTTP 500", source=f"error-tracking {call}") for call in calls
    ]
    one = report(*failed, slow("ok"), step(finding("unknown", "security:other"), name="security.x", source="a file"))
    assert headline(one).startswith(
        "4 unknown of 11 findings, from 2 causes — error-tracking does not answer as it sho"
    )
    (story, other) = to_json(one)["stories"]
    assert (story["key"], story["level"]) == ("cause:silent:error-tracking", "unknown")
    assert story["findings"] == sorted(f"step:errors.{call}" for call in calls)
    assert other["findings"] == ["security:other"]
    folded = parts(to_html(one)).partition("<details>")[2].partition("</details>")[0]
    assert all(f"error-tracking {call}" in folded for call in calls)


def test_an_attack_is_one_line_and_its_many_findings_keep_the_page_a_page() -> None:
    """By address and by account; the rest of them is in the JSON, and the page says how many."""
    offenders = [finding("warning", f"failed_logins:address:192.0.2.{n}") for n in range(30)]
    offenders.append(
        finding("warning", "failed_logins:account:<script>alert(1)</script>", subject="<script>x</script>")
    )
    html = to_html(report(step(*offenders)))
    assert f"{31 - HTML_GROUP} more of them are in the JSON only" in Page(parts(html)).text
    assert "script" not in [tag for tag, _ in Page(html).tags]


def test_what_is_new_is_a_line_for_each_cause() -> None:
    """Seven new findings of one cause leave room for others."""
    since = {f"latency:{name}": DUE for name in FUNCTIONS}
    times = {"started": DUE}
    timed = StepResult("p.l", "p", "latencies", "ran", findings=slow().findings, source="x", **times)
    other = StepResult("p.o", "p", "other", "ran", findings=(finding("warning", "other", subject="Another"),), **times)
    changes = to_html(report(timed, other, since={**since, "other": DUE}))
    section = Page(changes[changes.index('<section id="changes">') :].partition("</section>")[0]).text
    assert "All 7 functions are slow" in section and "(7 of 7 new)" in section
    assert "Another" in section and "Response time of" not in section


@pytest.mark.parametrize("one", [report(), report(step(finding("ok")))])
def test_without_trouble_there_is_no_story(one: Report) -> None:
    """Neither in the JSON nor on the page."""
    assert to_json(one)["stories"] == []
    assert 'class="finding story' not in to_html(one)
