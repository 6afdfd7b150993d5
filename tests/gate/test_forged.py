"""The ledger's owner forges what people said: nothing runs, and the row is named (docs/gate.md, rule 11)."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg import sql

from sandbox.postgres import Cluster
from tests.stages.forgeries import EVIL, TABLES, Forger, Forgery
from tests.stages.ledger import CLOCKS, Ledger, upgraded
from tests.stages.signing import SIGNER, SIGNING
from tests.stages.stage import HOUR, Stage
from upkeep.core.windows import Window, WindowKind
from upkeep.gate.attempts import Receipt
from upkeep.gate.decision_store import add_decision, add_shown
from upkeep.gate.permit_store import Permit, add_permit, add_receipt, permits_in
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import StoredPlan, add_plan
from upkeep.gate.plans.model import SCHEDULE, Action, Plan
from upkeep.gate.signatures import chain
from upkeep.gate.signatures.keys import Signer, public_of
from upkeep.ledger.write import open_window
from upkeep.settings.signing import Signing, SigningKey
from upkeep.wires import database
from upkeep.wires.database import Session
from upkeep.wires.queries import load

#: How many forgeries are drawn; `make faults` asks for a thousand.
FORGERIES = int(os.environ.get("UPKEEP_FORGERIES") or 50)


def owner(stage: Stage, statement: str, *values: object) -> None:
    """What the ledger's owner does."""
    with psycopg.connect(stage.ledger.dsn("owner"), autocommit=True) as connection:
        connection.execute(statement.encode(), values)


def test_an_action_that_the_ledgers_owner_writes_into_a_decision_does_not_run(stage: Stage) -> None:
    """Both approved one of two actions; the owner adds the other one to their answers, and apply is cleared."""
    stage.dirty("asked", "slipped_in")
    stored = stage.decide(stage.plan(), ids={"1"})
    assert stage.apply(stored)["slipped_in"].state == "refused"
    owner(stage, "UPDATE upkeep.decisions SET action_ids = '{1,2}' WHERE digest = %s", stored.digest)
    outcome = stage.apply(stored)["slipped_in"]
    assert stage.vacuums() == {"asked": 1, "slipped_in": 0}
    assert outcome.state == "refused"
    ((first,), *_) = stage.ledger.ask("SELECT id FROM upkeep.decisions WHERE digest = %s ORDER BY id", stored.digest)
    assert f"decisions row {first} (entry" in outcome.reason


def test_a_decision_that_the_ledgers_owner_adds_lets_nothing_run(stage: Stage) -> None:
    """One role was silent; the owner answers for it, and the row without a signature is named."""
    stage.dirty("kept")
    stored = stage.decide(stage.plan(), {"dba": "ann"})
    owner(
        stage,
        "INSERT INTO upkeep.shown (window_id, dag_id, run_id, task_id, map_index, try_number, role, digest,"
        " body_digest, action_ids, asked) SELECT window_id, dag_id, run_id, 'x', -1, 1, 'devops', digest, '',"
        " action_ids, '{bob}' FROM upkeep.shown WHERE digest = %s",
        stored.digest,
    )
    owner(
        stage,
        "INSERT INTO upkeep.decisions (shown_id, digest, role, person, action_ids, reviewed, comment, responded_at)"
        " SELECT max(id), digest, 'devops', 'bob', '{1}', '{}', '', now() FROM upkeep.shown WHERE digest = %s"
        " AND role = 'devops' GROUP BY digest",
        stored.digest,
    )
    outcome = stage.apply(stored)["kept"]
    assert outcome.state == "refused"
    assert "row" in outcome.reason
    assert "without a signature" in outcome.reason
    assert stage.vacuums() == {"kept": 0}


def test_a_permit_that_is_removed_while_apply_goes_on_stops_it(stage: Stage) -> None:
    """The owner removes permit and receipt of the first action, the chain's end, so that it would run once more."""
    stage.dirty("first", "second")
    stored = stage.approved()
    digest = stored.digest

    def say(text: str) -> None:
        if '"first": done' in text:
            owner(stage, "DELETE FROM upkeep.signatures WHERE place IN ('permits', 'receipts') AND digest = %s", digest)
            owner(
                stage,
                "DELETE FROM upkeep.receipts r USING upkeep.permits p WHERE p.id = r.permit_id AND p.digest = %s",
                digest,
            )
            owner(stage, "DELETE FROM upkeep.permits WHERE digest = %s", digest)

    outcomes = stage.apply(stored, say=say)
    assert outcomes["first"].state == "done"
    assert "the chain was cut" in outcomes["second"].reason
    assert stage.vacuums() == {"first": 1, "second": 0}


# Forgeries by the hundred -------------------------------------------------------------------------------------


def planned(book: Ledger, number: int) -> StoredPlan:
    """A plan of three actions of a target of its own, shown and decided."""
    now = datetime.now(UTC).replace(microsecond=0)
    rest = ("", ("dba", "devops"), "because", "lock", 9, 0)
    actions = tuple(
        Action(str(n), "optimise", "vacuum", f"VACUUM t{n}", "public", f"t{n}", n, *rest) for n in (1, 2, 3)
    )
    about = ("maintenance_weekly", f"run {number} {secrets.token_hex(4)}", now - HOUR, SCHEDULE, "platform")
    plan = Plan(f"target_{number}", "weekly", *about, now - HOUR, now + HOUR, False, actions, instance="1")
    window = Window(plan.target, "weekly", WindowKind.CALENDAR, plan.due, plan.not_after, plan.due - timedelta(7),
                    plan.due, plan.run_id, plan.dag_id, instance="1")  # fmt: skip
    with book.session() as session:
        open_window(session, window)
        stored = add_plan(session, window, plan, {})
        for role, person in {"dba": "ann", "devops": "bob"}.items():
            shown = {"task_id": role, "map_index": -1, "try_number": 1}
            shown |= {"role": role, "digest": stored.digest, "body_digest": "", "action_ids": ["1", "2", "3"]}
            row = add_shown(session, window, shown | {"asked": [person]}, SIGNER)
            decision = Decision(role, person, frozenset({"1", "2"}), now, "go on", frozenset({"G52"}))
            add_decision(session, stored.digest, row, decision, SIGNER)
    return stored


def done(book: Ledger, stored: StoredPlan, action: str) -> None:
    """A permit and its receipt."""
    before = {"dead_rows": 2000, "ratio": 0.25, "big": 2**60, "wal_position": 12}
    with book.session() as session:
        permit = add_permit(session, Permit(stored.digest, action, 1, "run", 4711, before), SIGNER).row_id
        now = datetime.now(UTC)
        receipt = Receipt("done", "", now, now, None, 18, 4096, before, before | {"dead_rows": 0, "tiny": 1e-12})
        add_receipt(session, permit, receipt, stored.digest, SIGNER)


@pytest.fixture(scope="module")
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger with the rows of three plans, written in turns; what stood in its owner's way fell already."""
    with upgraded(cluster) as found:
        three = [planned(found, number) for number in range(3)]
        for action in ("1", "2"):
            for stored in three:
                done(found, stored, action)
        with psycopg.connect(found.dsn("owner")) as connection:
            constraints = connection.execute(
                "SELECT format('ALTER TABLE %s DROP CONSTRAINT IF EXISTS %I CASCADE', conrelid::regclass, conname)"
                " FROM pg_constraint WHERE contype <> 'n' AND conrelid = ANY"
                " ('{upkeep.shown,upkeep.decisions,upkeep.permits,upkeep.receipts,upkeep.signatures}'::regclass[])"
            ).fetchall()
            for (statement,) in constraints:
                connection.execute(statement.encode())
            for table in TABLES:
                name = sql.Identifier("upkeep", table)
                connection.execute(sql.SQL("ALTER TABLE {} ALTER id DROP IDENTITY").format(name))
            connection.execute("DROP TRIGGER permit_holds ON upkeep.permits")
            connection.execute("DROP INDEX upkeep.decisions_person_idx")
        yield found


@contextmanager
def as_owner(book: Ledger) -> Iterator[Session]:
    """A session of the ledger's owner with a task's settings."""
    with database.standing(lambda: psycopg.connect(book.dsn("owner")), CLOCKS) as session:
        yield session


def refused(session: Session, forgery: Forgery, head: chain.Head) -> None:
    """Assert that what apply reads of the plan, and a look at the whole ledger, name what was forged."""
    with pytest.raises(chain.Tampered) as why:
        chain.unbroken_of_plan(session, forgery.digest, SIGNING, head)
    problems = chain.verify(session, SIGNING, str(head)).problems
    for said, names in ((str(why.value), forgery.names | forgery.next_ones), ("\n".join(problems), forgery.names)):
        assert any(name in said for name in names), f"{forgery.what}: {said}"


def test_every_forgery_is_refused_by_name(book: Ledger) -> None:
    """Whatever an owner changes, adds, removes, reorders or signs anew, constraints fallen; undone, all fits."""
    with as_owner(book) as session:
        head = chain.verify(session, SIGNING).head
        assert head is not None
        kinds = set()
        for seed in range(FORGERIES):
            with session.connection.transaction(force_rollback=True):
                forgery = Forger(session, seed).forge()
                kinds.add(forgery.what.partition(" ")[0])
                refused(session, forgery, head)
        whole = chain.verify(session, SIGNING, str(head))
    assert (whole.problems, whole.head) == ((), head)
    assert len(kinds) > 8


def test_a_ledger_as_it_was_signed_is_read_whole(book: Ledger) -> None:
    """Numbers of any size, times, lists and words come back as they were signed: nothing is refused for nothing."""
    with book.session() as session:
        found = chain.verify(session, SIGNING)
        assert (found.problems, found.entries) == ((), 3 * (4 + 4))
        for (digest,) in book.ask("SELECT digest FROM upkeep.plans"):
            entries, head = chain.unbroken_of_plan(session, digest, SIGNING)
            assert len(entries) == 8
            assert head == found.head
            assert [row["outcome"] for row in permits_in(entries)] == ["done", "done"]
        assert chain.unbroken_of_plan(session, "0" * 64, SIGNING) == ((), None)  # nobody wrote a row of that one


def test_a_key_signs_until_the_very_moment_at_which_it_is_retired(book: Ledger) -> None:
    """A row signed a microsecond before it counts; one signed at it does not."""
    ((digest, *_),) = book.ask("SELECT digest FROM upkeep.plans ORDER BY id LIMIT 1")
    with book.session() as session:
        last = max(entry.signed_at for entry in chain.of_plan(session, digest, SIGNING))

        def retired(until: datetime) -> Signing:
            return Signing(keys={"tests": SIGNING.keys["tests"].model_copy(update={"until": until})})

        assert len(chain.of_plan(session, digest, retired(last + timedelta(microseconds=1)))) == 8
        with pytest.raises(chain.Tampered, match="retired at"):
            chain.of_plan(session, digest, retired(last))


def test_a_retired_key_signs_nothing_behind_a_row_from_after_its_time(book: Ledger) -> None:
    """Whoever still has it dates a row back: it counts behind a row from before its end, not from it on."""
    with as_owner(book) as session, session.connection.transaction(force_rollback=True):
        before, last = session.rows("SELECT * FROM upkeep.signatures ORDER BY entry DESC LIMIT 2")[::-1]
        sign_again(session, before, Signer("new", EVIL), before["signed_at"])
        sign_again(session, last, SIGNER, before["signed_at"] - HOUR)

        def problems(until: datetime) -> tuple[str, ...]:
            old = SIGNING.keys["tests"].model_copy(update={"until": until})
            return chain.verify(
                session, Signing(keys={"tests": old, "new": SigningKey(public=public_of(EVIL))})
            ).problems

        assert problems(before["signed_at"] + timedelta(microseconds=1)) == ()
        (said,) = problems(before["signed_at"])
        assert f"(entry {last['entry']}) signed with a key that was retired at {before['signed_at']}, after" in said


def sign_again(session: Session, entry: database.Row, signer: Signer, at: datetime) -> None:
    """What a key's holder writes in place of an entry, as if it had been signed at another time."""
    session.rows(
        "UPDATE upkeep.signatures SET key_id = %(key)s, signed_at = %(at)s WHERE entry = %(entry)s",
        {"key": signer.key_id, "at": at, "entry": entry["entry"]},
    )
    (line, *_) = session.rows(load("gate/signatures/entries_from"), {"first": entry["entry"]})
    given = (line["ledger"], line["place"], line["sealed"], line["follows"] or "", line["content"])
    Forger(session, 0).sign(entry, signer.sign(chain._message(*given)), signer.key_id)
