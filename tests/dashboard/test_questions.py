"""A question's own page over real HTTP: what it shows to whom, what it gives to Airflow, and attacks on its form."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from tests.stages.ledger import Ledger, write
from tests.stages.pages import HOSTILE, Site, planned, window_of
from tests.stages.reports import Page
from upkeep.gate import sheets
from upkeep.gate.plan_store import add_sheet
from upkeep.gate.sheets import Sheet, SheetItem

DAG = "maintenance_weekly"


def waits(site: Site, *roles: str, dag: str = DAG, group: str = "approve") -> None:
    """Airflow asks these roles."""
    (target,) = site.config.targets
    site.waiting = {(dag, f"scheduled__{target}", f"{group}.{role}", -1) for role in roles}


def address(site: Site, role: str = "dba", dag: str = DAG, group: str = "approve") -> str:
    (target,) = site.config.targets
    return f"/questions/{dag}/scheduled__{target}/{group}.{role}"


def fields_of(html: str) -> dict[str, Any]:
    """What the form would send with everything that is ticked at first, and no button pressed."""
    (form,) = re.findall(r'<form class="question" method="post">.*?</form>', html, re.DOTALL)
    inputs = [attrs for tag, attrs in Page(form).tags if tag == "input"]
    hidden = {str(one["name"]): one["value"] for one in inputs if one["type"] == "hidden"}
    return hidden | {"choice": [one["value"] for one in inputs if "checked" in one], "comment": ""}


def post(site: Site, path: str, user: str | None, fields: Any, **headers: str) -> requests.Response:
    """The form as a browser sends it from the page, unless the headers say otherwise."""
    said = {"Sec-Fetch-Site": "same-origin", "Origin": site.url, "Cookie": f"_token=of-{user}", **headers}
    return site.send("POST", path, user, {name: value for name, value in said.items() if value}, fields)


@pytest.fixture
def question(book: Ledger, site: Site, today: datetime) -> Site:
    """A plan of three actions that both roles are asked about."""
    planned(book, site.config.targets[0], today)
    waits(site, "dba", "devops")
    return site


def test_it_says_what_why_what_is_predicted_and_the_way_back(question: Site) -> None:
    """Labelled rows with a tick each, the checklist, when it runs, by when to answer, and where the evidence is."""
    html = question.ask(address(question), "dora").text
    page = Page(html)
    for words in (
        "Database Administrator: 2 of 3 actions",
        "You may answer it, as Database Administrator",
        "right after the last role's answer",
        "VACUUM error_logs",
        "DROP error_logs, 576 kB",
        "at least 10 % of error_logs is dead",
        "takes about 2 s, lock SHARE UPDATE EXCLUSIVE",
        "Database Administrator, DevOps Engineer",
        "CREATE INDEX error_logs",
        "2.0 kB",
        "Performance optimization review",
        "look at it: 2 warning",
    ):
        assert words in page.text, words
    assert fields_of(html)["choice"] == ["1", "2"]
    (target,) = question.config.targets
    assert f"../../../dags/{DAG}/runs/scheduled__{target}/report" in page.links
    assert f"../../../../dags/{DAG}/runs/scheduled__{target}/tasks/approve.dba/required_actions" in page.links
    assert "Only afterVACUUM error_logs" in Page(question.ask(address(question, "devops"), "omar").text).text


@pytest.mark.parametrize("user", ["omar", "vera", "vito"])
def test_who_may_not_answer_is_told_who_may(question: Site, user: str) -> None:
    """Another role's person, a viewer, and a holder of the role whom Airflow lets answer nothing: no form, no tick."""
    html = question.ask(address(question), user).text
    assert "You cannot answer it: that is for dora or vito, as Database Administrator" in Page(html).text
    assert "<form" not in html and "checkbox" not in html and "DROP error_logs" in html


@pytest.mark.parametrize(("option", "ids"), [("Approve", ["2"]), ("Reject", [])])
def test_an_answer_is_given_to_airflow_under_the_visitors_own_login(
    question: Site, option: str, ids: list[str]
) -> None:
    """The ticked ids, marks of the checklist and a comment; then the page says that it is being kept."""
    path = address(question)
    fields = fields_of(question.ask(path, "dora").text)
    fields |= {"option": option, "choice": ids, "reviewed": ["G123"], "comment": "at night"}
    done = post(question, path, "dora", fields)
    assert (done.status_code, done.headers["Location"]) == (303, "?given=yes")
    ((login, task, answer),) = question.answers
    assert login == {"Cookie": "_token=of-dora"} and task == next(iter(t for t in question.waiting if "dba" in t[2]))
    params = {"actions": ids, "reviewed": ["G123"], "comment": "at night"}
    assert answer == {"chosen_options": [option], "params_input": params}
    question.waiting = set()
    assert "Airflow has your answer" in question.ask(f"{path}?given=yes", "dora").text
    assert "not asked any more, or not yet" in Page(question.ask(path, "dora").text).text


def test_what_would_decide_nothing_is_refused_before_airflow_is_given_it(question: Site) -> None:
    """Nothing ticked, an id that was not shown, no button, a mark of no row, another plan, an endless comment."""
    path = address(question)
    good = fields_of(question.ask(path, "dora").text) | {"option": "Approve"}
    for change, status, why in (
        ({"choice": []}, 400, "found Approve with no actions"),
        ({"choice": ["1", "3"]}, 400, "expected ids from the form"),
        ({"option": "all"}, 400, "expected Approve or Reject"),
        ({"option": ""}, 400, "expected Approve or Reject"),
        ({"reviewed": [HOSTILE]}, 400, "found checklist rows"),
        ({"digest": "0" * 64}, 409, "it asks something else by now"),
        ({"comment": "x" * 50_000}, 413, "bytes in a form"),
    ):
        refused = post(question, path, "dora", good | change)
        assert (refused.status_code, why in Page(refused.text).text) == (status, True), change
        assert "<script>" not in refused.text
    question.waiting = set()
    late = post(question, path, "dora", good)
    assert late.status_code == 409 and "not any more" in late.text
    assert question.answers == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null", "Sec-Fetch-Site": ""},
        {"Origin": "", "Sec-Fetch-Site": ""},
        {"Content-Type": "text/plain"},
    ],
)
def test_a_form_of_another_site_answers_nothing(question: Site, headers: dict[str, str]) -> None:
    """Also with a token and a login that are right."""
    path = address(question)
    fields = fields_of(question.ask(path, "dora").text) | {"option": "Approve"}
    assert post(question, path, "dora", fields, **headers).status_code in (400, 403)
    assert question.answers == []


@pytest.mark.parametrize("user", ["omar", "uma", "vera", None])
def test_a_form_that_was_shown_to_another_answers_nothing(question: Site, user: str | None) -> None:
    """Her token is hers alone; without a login nothing is read at all."""
    fields = fields_of(question.ask(address(question), "dora").text) | {"option": "Approve"}
    refused = post(question, address(question), user, fields)
    assert refused.status_code == (403 if user else 401)
    assert question.answers == []


@pytest.mark.parametrize(
    ("status", "shown", "words"),
    [
        (401, 401, "Sign in again"),
        (403, 403, "Airflow lets only dora or vito answer it, and you are dora"),
        (404, 404, "Airflow does not ask it any more"),
        (409, 409, "somebody has answered it already"),
        (422, 422, "Airflow answered 422: <b>no</b>"),
        (500, 502, "Airflow answered 500"),
    ],
)
def test_what_airflow_refuses_is_said_in_words(question: Site, status: int, shown: int, words: str) -> None:
    """Whatever it says is escaped."""
    question.says = (status, "<b>no</b>")
    fields = fields_of(question.ask(address(question), "dora").text) | {"option": "Approve"}
    refused = post(question, address(question), "dora", fields)
    assert refused.status_code == shown and words in Page(refused.text).text
    assert "<b>no" not in refused.text and 'href="../../../static/' in refused.text


def test_who_answered_what_stands_there(book: Ledger, question: Site) -> None:
    """For everybody, and there is no form any more."""
    book.change(
        """INSERT INTO upkeep.decisions (shown_id, digest, role, person, action_ids, reviewed, comment, responded_at)
           SELECT s.id, s.digest, s.role, 'dora', '{2}', '{}', 'at night', now() FROM upkeep.shown s
           JOIN upkeep.plans p USING (digest) WHERE p.target = %s AND s.role = 'dba'""",
        target(question),
    )
    html = question.ask(address(question), "dora").text
    assert "Answered: dora approved 2. “at night”" in Page(html).text and "<form" not in html


def test_a_question_that_was_changed_in_the_ledger_cannot_be_answered(book: Ledger, question: Site) -> None:
    """Its text does not give its digest: the page says so and shows nothing of it."""
    fields = fields_of(question.ask(address(question), "dora").text) | {"option": "Approve"}
    book.change("UPDATE upkeep.plans SET body = replace(body, 'vacuum', 'reindex') WHERE target = %s", target(question))
    html = question.ask(address(question), "dora").text
    assert "has been changed in the ledger" in html and "VACUUM" not in html and "<form" not in html
    assert post(question, address(question), "dora", fields).status_code == 409
    assert question.answers == []


def target(site: Site) -> str:
    (found,) = site.config.targets
    return found


def test_what_a_deleted_run_asked_is_not_the_question_of_its_successor(question: Site) -> None:
    """The run that has the id now has asked nothing yet: it is said so, and nothing can be answered there."""
    shown = question.ask(address(question), "dora").text
    assert "earlier run" not in shown
    fields = fields_of(shown) | {"option": "Approve"}
    question.instance = "another"
    said = question.ask(address(question), "dora").text
    assert "An earlier run with this id asked it, and was deleted" in said and '<form class="question"' not in said
    assert post(question, address(question), "dora", fields).status_code == 409 and not question.answers
    question.instance = "1"
    assert post(question, address(question), "dora", fields).status_code == 303


def test_what_was_never_asked_or_is_of_a_hidden_target_is_not_there(question: Site) -> None:
    """404 in words, with the page's own style, whatever stands in the address."""
    for path in ("/questions/a/b/c", f"{address(question)}x", f"/questions/{DAG}/{'%3Cscript%3E'}/x"):
        found = question.ask(path, "dora")
        assert found.status_code == 404 and "<script>" not in found.text and "../../../static/" in found.text
    question.hidden = frozenset({"maintenance_daily"})
    assert question.ask(address(question), "dora").status_code == 403


def test_hostile_names_are_shown_and_obeyed_nowhere(book: Ledger, site: Site, today: datetime) -> None:
    """In every text of a plan."""
    planned(book, target(site), today, name=HOSTILE)
    waits(site, "dba")
    html = site.ask(address(site), "dora").text
    assert "<script>alert" not in html and "\u202e" not in html and "⟨U+202E⟩" in html and "{{ 7*7 }}" in html


def test_a_sheet_is_signed_on_the_same_page(book: Ledger, site: Site, today: datetime) -> None:
    """An attestation has a tick for each task, with the lines of its evidence; a sign-on has a button alone."""
    window = window_of(target(site), "monthly", today - timedelta(hours=1), run_id=f"scheduled__{target(site)}")
    write(book, window)
    items = (
        SheetItem("audit", "dba", "Security audit", "G24", "ab" * 32, "61 findings: 3 warning"),
        SheetItem("cost", "devops", "Cost", "G30", "cd" * 32, "1 finding"),
    )
    for purpose, listed in ((sheets.ATTEST, ["audit"]), (sheets.SIGN_ON, [])):
        sheet = Sheet(
            purpose, target(site), "monthly", window.dag_id, window.run_id, window.due, today + timedelta(hours=1),
            items, window.instance,
        )  # fmt: skip
        with book.session() as session:
            digest = add_sheet(session, window, sheet, {"audit": ["WARNING Roles: two of them"]}).digest
        book.change(
            """INSERT INTO upkeep.shown (window_id, dag_id, run_id, instance, task_id, map_index, try_number, role,
                   digest, body_digest, action_ids, asked)
               SELECT window_id, dag_id, run_id, instance, %s, -1, 1, 'dba', digest, '', '{audit}', '{dora}'
               FROM upkeep.plans WHERE digest = %s""",
            f"{purpose}.dba",
            digest,
        )
        waits(site, "dba", dag=window.dag_id, group=purpose)
        path = address(site, "dba", window.dag_id, purpose)
        html = site.ask(path, "dora").text
        said = Page(html).text
        assert f"Database Administrator: {purpose}, " in said and "Security audit (G24)" in said
        assert "WARNING Roles: two of them" in said and "Cost" not in said
        fields = fields_of(html)
        assert fields["choice"] == listed
        done = post(site, path, "dora", fields | {"option": sheets.LABELS[purpose].yes})
        assert done.status_code == 303, done.text
        params = site.answers[-1][2]["params_input"]
        assert params == {"reviewed": [], "comment": None} | ({"tasks": ["audit"]} if listed else {})
