"""A question answered on its own page, in a running Airflow: by whom, as whom, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.attacks import Attacks
from tests.e2e.conftest import Running
from tests.e2e.pages import SLOW, keep, login
from tests.e2e.weekly import DAG
from tests.stages.browser import serious

TABLES = ("besieged", "bystander")
HERE = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def attack(running: Running) -> Iterator[Attacks]:
    """Two tables that a plan would vacuum; at the end neither they nor a waiting run are left."""
    found = Attacks(running)
    found.make_dirty(*TABLES)
    yield found
    found.end()
    found.drop(*TABLES)


def test_a_subset_is_approved_on_the_page_by_who_is_logged_in(attack: Attacks, browser: Browser) -> None:
    """From Home to the question, one tick out, Approve: the ledger's decision is hers, of that action, with her words.

    The question is for everybody. Another role's person, a viewer and a form of another site are refused, whatever
    token they bring; the evidence is behind its link before anybody has answered.
    """
    running = attack.running
    run = attack.trigger()
    attack.asked(run)
    for_everybody(attack, browser, run)
    context = browser.new_context(viewport={"width": 1300, "height": 900})
    context.set_default_timeout(SLOW)
    page = context.new_page()
    login(page, running, "dora")
    page.goto(f"{running.sandbox.url}/upkeep/")
    page.locator(f'a.button[href="questions/{DAG}/{quote(run, safe="")}/approve.dba"]').click()
    page.wait_for_url(f"**/questions/{DAG}/{quote(run, safe='')}/approve.dba")
    page.get_by_role("link", name="All of the evidence").click()
    page.wait_for_url(f"**{attack.report_page(run)}")
    assert sorted(attack.report(run)["interim"]) == ["Database Administrator", "DevOps Engineer"]
    page.go_back()

    others = f"/upkeep/questions/{DAG}/{quote(run, safe='')}/approve.devops"
    hers = {name: page.locator(f"input[name={name}]").get_attribute("value") for name in ("token", "digest")}
    forged: dict[str, Any] = {**hers, "option": "Approve", "choice": attack.ids(run, "dba")}
    mine = others.replace("devops", "dba")
    for user, path, headers, words in (
        ("dora", others, HERE, "Airflow lets only omar answer it, and you are dora"),
        ("omar", mine, HERE, "this form was not shown to you"),
        ("viewer", mine, HERE, "this form was not shown to you"),
        ("dora", mine, HERE | {"Sec-Fetch-Site": "cross-site"}, "does not come from this site"),
        ("dora", mine, HERE | {"Origin": "https://evil.example"}, "does not come from this site"),
    ):
        refused = attack.request(user, "POST", path, data=forged, headers=headers)
        assert (refused.status_code, words in refused.text) == (403, True), refused.text
    for user in ("viewer", "omar"):
        seen = attack.request(user, "GET", mine)
        assert "You cannot answer it: that is for dora" in seen.text and "<form" not in seen.text
    assert not attack.question_of(run, "dba")["response_received"]

    page.get_by_label("VACUUM bystander").uncheck()
    page.get_by_label("Performance optimization review").check()
    page.get_by_label("Comment").fill("one at a time")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Answered: dora approved")).to_be_visible(timeout=90_000)
    expect(page.get_by_text("one at a time")).to_be_visible()
    context.close()

    seen = attack.request("omar", "GET", others)
    values = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', seen.text))
    given = attack.request(
        "omar", "POST", others, data={**values, "option": "Approve", "choice": attack.ids(run, "devops")}, headers=HERE
    )
    assert given.status_code in (200, 303), given.text
    told = attack.applied(run)
    assert told["besieged"].startswith("done in ") and told["bystander"] == "refused: dora as dba did not approve it"
    kept = [number for number in forged["choice"] if number not in attack.ids_of(run, "bystander")]
    assert attack.decisions(run)["dba"] == ("dora", kept)
    assert attack.decisions(run)["devops"][0] == "omar"
    ((reviewed, comment),) = running.ledger(
        "SELECT reviewed, comment FROM upkeep.decisions WHERE digest = %s AND role = 'dba'", attack.digest(run)
    )
    assert (reviewed, comment) == (["G123"], "one at a time")
    again = attack.request("omar", "POST", others, data={**values, "option": "Reject"}, headers=HERE)
    assert again.status_code == 409
    told_in_numbers(attack, browser, run)


def told_in_numbers(attack: Attacks, browser: Browser, run: str) -> None:
    """The final report says how much of the table was dead before and after."""
    attack.finish(run)
    context = browser.new_context(viewport={"width": 1280, "height": 1700})
    context.set_default_timeout(SLOW)
    page = context.new_page()
    login(page, attack.running, "dora")
    page.goto(f"{attack.running.sandbox.url}{attack.report_page(run)}")
    row = page.get_by_role("listitem").filter(has_text="gone · public.besieged")
    expect(row).to_contain_text(re.compile(r"dead rows [\d.]+ % → 0 %"))
    keep(page, "weekly-report")
    context.close()


def for_everybody(attack: Attacks, browser: Browser, run: str) -> None:
    """No violation that axe calls serious, at a desk and on a phone, in the light and in the dark; nothing wider."""
    views: tuple[tuple[int, Any], ...] = ((1300, "light"), (390, "dark"), (390, "light"))
    for width, scheme in views:
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
        context.set_default_timeout(SLOW)
        page = context.new_page()
        login(page, attack.running, "dora")
        for role in ("dba", "devops"):
            page.goto(f"{attack.running.sandbox.url}/upkeep/questions/{DAG}/{quote(run, safe='')}/approve.{role}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{role} {width} {scheme}"
            keep(page, f"question-{role}-{width}-{scheme}")
            assert not serious(page), f"{role} {width} {scheme}"
        context.close()
