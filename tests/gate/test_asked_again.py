"""A sensor on a real ledger, with Airflow's side of the wire played: answers that decide nothing, and lost ones."""

from __future__ import annotations

import json
import uuid
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from tests.stages.plans import action
from tests.stages.server import HOST, Server, answer
from tests.stages.signing import SIGNER, SIGNING
from tests.stages.stage import Stage, until
from upkeep.gate.decision_store import add_decision, decisions
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.signatures.chain import LOCK
from upkeep.settings.calendar import config_folder
from upkeep.settings.load import settings
from upkeep.wires import queries

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import CreateHITLDetailPayload

    from upkeep.flow.approval import ManualApprovalSensor
    from upkeep.flow.hitl.sensor import MOST_NOTIFIED, RETRIES
    from upkeep.flow.runs import STAMP

ALL = {"actions": ["1", "2"], "comment": None}


@dataclass
class Airflow:
    """What Airflow does for one task: it keeps the first request, and resumes with an answer and what was parked."""

    stored: StoredPlan
    slack: Server
    asked: list[Any] = field(default_factory=list)
    parked: dict[str, Any] | None = None
    attempt: int = 1

    def send(self, msg: Any) -> Any:
        """The supervisor's end of a task's messages; it is also told what to mask."""
        if not isinstance(msg, CreateHITLDetailPayload):
            return None
        self.asked.append(msg)
        return self.asked[0]

    @property
    def sensor(self) -> ManualApprovalSensor:
        """The task as each process parses it afresh."""
        plan = self.stored.plan
        return ManualApprovalSensor(role="dba", target=plan.target, cadence="weekly", task_id="dba")

    @property
    def told(self) -> list[str]:
        """What Slack was sent, in its order."""
        return [str(json.loads(message.body)["text"]) for message in self.slack.received]

    def run(self, answer: dict[str, Any] | None = None) -> str:
        """One process of the task: its first one of a try, or the one that an answer resumes."""
        plan, parked = self.stored.plan, self.parked or {}
        where = {"dag_id": plan.dag_id, "run_id": plan.run_id}
        task = SimpleNamespace(id=uuid.uuid4(), task_id="dba", map_index=-1, try_number=self.attempt, **where)
        stamp = {STAMP: plan.instance}
        run = SimpleNamespace(run_type="scheduled", logical_date=plan.due, run_after=plan.due, conf=stamp, **where)
        context: Any = {"ti": task, "dag_run": run, "params": {}}
        self.parked = None
        try:
            if answer is None:
                return str(self.sensor.execute(context))
            return str(self.sensor.execute_complete(context, event=answer, **parked))
        except TaskAwaitingInput as waiting:
            self.parked = waiting.kwargs
            return "waits"

    def answer(self, person: str, number: str = "", **params: Any) -> str:
        """Somebody presses Approve; what the resumed process makes of it."""
        assert self.parked is not None
        user = {"id": number or person, "name": person}
        event = {"chosen_options": ["Approve"], "params_input": params, "responded_by_user": user, "timedout": False}
        return self.run(event | {"responded_at": datetime.now(UTC)})

    def lose(self) -> None:
        """An answer in the second after parking: Airflow ends the try before the answer reaches the task."""
        self.parked, self.attempt = None, self.attempt + 1


@pytest.fixture
def airflow(judged: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Airflow]:
    """A plan of two actions; ann and eve are DBAs, and Slack tells them."""
    file = Path(config_folder() / "maintenance.yaml")
    config = yaml.safe_load(file.read_text())
    config["people"] = {"ann": {}, "eve": {}, "bob": {}}
    for role in config["roles"].values():
        role["users"] = []
    config["roles"]["dba"]["users"] = ["ann", "eve"]
    config["approval"]["slack"] = "told"
    file.write_text(yaml.safe_dump(config))
    settings.cache_clear()
    with Server(answer("200 OK", "ok", Content_Type="text/plain")) as slack:
        host = f"{HOST}:{slack.port}/services"
        webhook = {"conn_type": "slackwebhook", "schema": "http", "host": host, "password": "T000/B000/XXX"}
        monkeypatch.setenv("AIRFLOW_CONN_TOLD", json.dumps(webhook))
        found = Airflow(judged.plan(actions=(action("1"), action("2"))), slack)
        monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", found, raising=False)
        yield found


def decided(stage: Stage, airflow: Airflow) -> list[tuple[str, str, frozenset[str]]]:
    """What the ledger keeps."""
    with stage.ledger.session() as session:
        return [(one.role, one.person, one.approved) for one in decisions(session, airflow.stored.digest, SIGNING)]


@pytest.mark.guide("G52", "holds")
def test_one_persons_invalid_answers_do_not_use_up_what_another_needs(judged: Stage, airflow: Airflow) -> None:
    """More of them than Airflow has tries, in one try: each is told why, and then another holder's answer counts."""
    assert airflow.run() == "waits"
    for number in range(1, RETRIES + 5):
        assert airflow.answer("ann", comment="all of them") == "waits"
        assert airflow.parked == {"invalid": {"ann": number}}
    why = [text for text in airflow.told if "found no list of actions" in text]
    assert len(why) == MOST_NOTIFIED, "then the log alone says it: nobody drowns what others are told"
    assert airflow.answer("bob", **ALL) == "waits"
    assert "found an answer by bob, expected one by a Database Administrator. Asked again" in airflow.told[-1]
    assert decided(judged, airflow) == []
    assert airflow.answer("eve", **ALL).startswith("eve as dba approved 1, 2 at ")
    assert decided(judged, airflow) == [("dba", "eve", frozenset({"1", "2"}))]
    assert airflow.attempt == 1


def test_a_number_that_config_has_for_another_decides_nothing(judged: Stage, airflow: Airflow) -> None:
    """FAB's users are numbers, and a database that is made anew numbers them otherwise: both names are said."""
    file = Path(config_folder() / "maintenance.yaml")
    config = yaml.safe_load(file.read_text())
    config["people"] = {"ann": {"id": "4"}, "eve": {"id": "5"}, "bob": {"id": "6"}}
    file.write_text(yaml.safe_dump(config))
    settings.cache_clear()
    airflow.run()
    assert airflow.answer("bob", number="4", **ALL) == "waits"
    assert "found an answer by 'bob', whose number '4' is 'ann' in config/maintenance.yaml: people" in airflow.told[-1]
    assert airflow.answer("ann", number="7", **ALL) == "waits"
    assert "found an answer by ann, expected one by a Database Administrator" in airflow.told[-1]
    assert decided(judged, airflow) == []
    assert airflow.answer("ann", number="4", **ALL).startswith("ann as dba approved 1, 2 at ")


def test_each_question_is_shown_and_sent_anew(judged: Stage, airflow: Airflow) -> None:
    """Sending it empties the old answer in Airflow; the ledger has a row for each time it was shown."""
    airflow.run()
    airflow.answer("ann")
    assert len(airflow.asked) == 2
    assert airflow.asked[0] == airflow.asked[1].model_copy(update={"ti_id": airflow.asked[0].ti_id})
    shown = judged.ledger.ask("SELECT try_number FROM upkeep.shown WHERE digest = %s", airflow.stored.digest)
    assert shown == [(1,), (1,)]


def test_who_answered_in_vain_is_told_by_the_next_try(judged: Stage, airflow: Airflow) -> None:
    """Airflow loses an answer and begins another try: that says that it did not count, and asks; the first does not."""
    lost = "an answer given before now did not reach the ledger, counts for nothing and must be given again"
    airflow.run()
    assert ["Answer by" in text for text in airflow.told] == [True]
    assert lost not in airflow.told[0]
    airflow.lose()
    assert airflow.run() == "waits"
    assert [lost in text for text in airflow.told] == [False, True, False]
    assert airflow.answer("ann", **ALL).startswith("ann as dba approved 1, 2 at ")
    airflow.lose()
    assert airflow.run().startswith("already answered: ann as dba approved 1, 2 at ")
    assert decided(judged, airflow) == [("dba", "ann", frozenset({"1", "2"}))]


def test_a_lost_answer_that_comes_late_counts_for_nothing(judged: Stage, airflow: Airflow) -> None:
    """Its process lives on for a while after the next try has told people that it does not count: it keeps nothing."""
    airflow.run()
    late = airflow.parked
    airflow.lose()
    assert airflow.run() == "waits"
    asked = airflow.parked
    airflow.attempt, airflow.parked = 1, late
    with pytest.raises(AirflowFailException, match="try 2 has asked anew: this answer counts for nothing"):
        airflow.answer("ann", **ALL)
    assert decided(judged, airflow) == []
    airflow.attempt, airflow.parked = 2, asked
    assert airflow.answer("ann", actions=["1"], comment=None).startswith("ann as dba approved 1 at ")
    assert decided(judged, airflow) == [("dba", "ann", frozenset({"1"}))]


def test_the_ledger_keeps_no_answer_to_what_a_later_try_has_shown(judged: Stage, airflow: Airflow) -> None:
    """Also when the answer was judged before that: what is kept is the answer to the last try's question alone."""
    airflow.run()
    airflow.lose()
    airflow.run()
    shown = judged.ledger.ask("SELECT id FROM upkeep.shown WHERE digest = %s ORDER BY id", airflow.stored.digest)
    kept = []
    for (number,) in shown:
        decision = Decision("dba", "ann", frozenset({"1"}), datetime.now(UTC))
        with judged.ledger.session() as session:
            add_decision(session, airflow.stored.digest, number, decision, SIGNER)
        kept.append(len(decided(judged, airflow)))
    assert kept == [0, 1]


def test_an_answer_kept_while_the_next_try_begins_counts(judged: Stage, airflow: Airflow) -> None:
    """The lost process keeps it after that try looked for one, before it shows its question: nobody hears of a loss."""
    airflow.run()
    airflow.lose()
    ((number,),) = judged.ledger.ask("SELECT id FROM upkeep.shown WHERE digest = %s", airflow.stored.digest)
    waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory' AND datname = current_database()"
    with ThreadPoolExecutor() as pool:
        with judged.ledger.session() as session, session.connection.transaction():
            session.rows(queries.load("gate/signatures/lock_chain"), {"key": LOCK})
            trying = pool.submit(airflow.run)
            until(lambda: judged.ledger.ask(waits))
            decision = Decision("dba", "ann", frozenset({"1"}), datetime.now(UTC))
            add_decision(session, airflow.stored.digest, number, decision, SIGNER)
        assert trying.result().startswith("already answered: ann as dba approved 1 at ")
    assert not any("counts for nothing" in text for text in airflow.told)


def test_other_holders_since_the_question_was_asked_end_it(judged: Stage, airflow: Airflow) -> None:
    """Airflow keeps the people who were asked first: a question to others needs a new run, which it says."""
    airflow.run()
    file = Path(config_folder() / "maintenance.yaml")
    file.write_text(file.read_text().replace("- eve\n", "- bob\n", 1))
    settings.cache_clear()
    with pytest.raises(AirflowFailException, match="Airflow keeps another request for this task than the plan's"):
        airflow.answer("eve", **ALL)
    assert decided(judged, airflow) == []
