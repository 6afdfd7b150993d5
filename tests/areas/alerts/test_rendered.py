"""Messages as people see them: a mail on a phone, and blocks that Slack takes."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from sandbox.mail import parsed
from tests.stages.browser import browser, serious  # noqa: F401  # a fixture
from upkeep.areas.alerts.render.mail import mail
from upkeep.areas.alerts.render.slack import slack

WIDTH = 390
#: What a finger needs, in CSS pixels.
LEAST_HEIGHT = 44
RUN = "https://airflow.test/upkeep/dags/maintenance_weekly/runs/scheduled__2026-11-29T03%3A00%3A00%2B00%3A00/report"
#: What Slack takes: https://docs.slack.dev/reference/block-kit/blocks
MOST = {"header": 150, "section": 3000}
MOST_BLOCKS = 50


def note(**fields: Any) -> dict[str, Any]:
    """One note of a message, as the outbox holds it."""
    return {
        "kind": "new",
        "level": "critical",
        "was": "ok",
        "target": "primary",
        "title": "Agentic Ecosystem",
        "at": "2026-11-29T03:10:00+00:00",
        "alert": 7,
        "page": "https://airflow.test/upkeep/alerts/7",
        "cause": "Requests fail: error rate, overall health",
        "detail": "3 findings, the worst: Error rate: 5.2 % of requests; expected: below 2 %",
        "remedy": "Look at the error analytics: which function, since when; then at what was deployed.",
        "findings": 3,
        "owner": "DevOps Engineer",
        "since": "2026-11-29T02:41:00+00:00",
        "ended": None,
        "report": f"{RUN}#f-0123456789ab",
        "runbook": "https://wiki.test/operations/incidents/response-procedures",
        "procedures": "",
    } | fields


def body(*notes: dict[str, Any], total: int = 0) -> dict[str, Any]:
    """A message of these notes."""
    counts = {f"{one['kind']} {one['level']}": 1 for one in notes}
    page = "https://airflow.test/upkeep/alerts"
    return {
        "level": notes[0]["level"],
        "notes": list(notes),
        "total": total or len(notes),
        "counts": counts,
        "page": page,
    }


LONG = note(
    cause="c" * 200,
    detail="a_name_without_any_space_" * 20,
    remedy="r" * 500,
    owner="o" * 100,
    target="t" * 60,
    report=f"https://airflow.test/{'y' * 750}#f-0123456789ab",
    runbook="",
    procedures="docs/" + "p" * 300,
)
SUMMARY = {"kind": "summary", "cadence": "weekly", "due": "2026-11-29T03:00:00+00:00", "cause": "3 actions done"}
MESSAGES = {
    "new": body(note()),
    "over": body(note(kind="over", level="ok", was="critical", ended="2026-11-29T03:41:00+00:00")),
    "seen by the watch alone": body(note(report="", runbook="", procedures="docs/incidents.md")),
    "long words": body(LONG),
    "a digest": body(*[note(cause=f"Story {number}") for number in range(10)], total=37),
    "a digest of long words": body(*[LONG] * 10, total=9_999) | {"procedures": "https://wiki.test/" + "p" * 300},
    "a summary": body(note(**SUMMARY)),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_mail_fits_a_phone(browser: Browser, name: str) -> None:  # noqa: F811
    """Nothing is cut off at 390 pixels, each link is as high as a finger needs, and axe finds nothing serious."""
    came = parsed(mail(MESSAGES[name], "key", "upkeep@example.org", ["a@example.org"]).as_bytes(), None, [])
    page = browser.new_page(viewport={"width": WIDTH, "height": 844})
    page.set_content(came["html"])
    boxes = "[...document.body.querySelectorAll('*')].map(e => [e.getBoundingClientRect(), e.tagName, e.scrollWidth])"
    found = page.evaluate(f"{boxes}.map(([b, tag, wide]) => [tag, b.left, b.right, b.height, wide])")
    assert found and page.evaluate("document.documentElement.scrollWidth") <= WIDTH
    assert [one for one in found if one[1] < 0 or one[2] > WIDTH or one[4] > WIDTH] == []
    links = [one for one in found if one[0] == "A"]
    assert links and min(one[3] for one in links) >= LEAST_HEIGHT
    assert not serious(page)
    page.close()


def test_what_to_do_and_where_to_look_come_first_on_a_phone(browser: Browser) -> None:  # noqa: F811
    """On the first screen, without scrolling: what, since when, what to do, the report, the runbook, whose it is."""
    came = parsed(mail(MESSAGES["new"], "key", "upkeep@example.org", ["a@example.org"]).as_bytes(), None, [])
    page = browser.new_page(viewport={"width": WIDTH, "height": 844})
    page.set_content(came["html"])
    words = (
        "5.2 % of requests",
        "02:41 UTC",
        "error analytics:",
        "Open the report",
        "Open the runbook",
        "DevOps Engineer",
    )
    lows = [page.get_by_text(text).last.bounding_box() for text in words]
    tops = [box["y"] for box in lows if box]
    assert tops == sorted(tops) and len(tops) == len(words) and max(tops) < 600
    page.close()


@pytest.mark.parametrize("name", MESSAGES)
def test_slack_takes_the_blocks(name: str) -> None:
    """None is empty or longer than Slack takes, and there are no more of them than it takes."""
    payload = slack(MESSAGES[name])
    assert 0 < len(payload["blocks"]) <= MOST_BLOCKS and payload["text"]
    for block in payload["blocks"]:
        assert 0 < len(block["text"]["text"]) <= MOST[block["type"]]
        assert block["text"]["type"] in ("plain_text", "mrkdwn")
        assert (block["type"], block["text"]["type"]) != ("header", "mrkdwn")
