"""Keys of signed rows: rotation, retirement, what is refused without one; the ledger's own look at a permit."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
import yaml

from sandbox.postgres import Cluster
from tests.stages.ledger import create, drawn, upgrade
from tests.stages.signing import SECRET, SIGNER, SIGNING, config_folder
from tests.stages.stage import BOTH, HOUR, Stage, changed
from upkeep.gate.decision_store import ledger_identity
from upkeep.gate.permit_store import Permit, add_permit
from upkeep.gate.signatures import keys
from upkeep.settings.base import ConfigError
from upkeep.settings.load import settings
from upkeep.settings.signing import Signing, SigningKey

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.cli.main import main

NEW_SECRET, NEW_PUBLIC = keys.generate()
NEW = SigningKey(public=NEW_PUBLIC)


def rotated(until: datetime) -> Signing:
    """The tests' key retired at a moment, another one beside it."""
    old = SIGNING.keys["tests"].model_copy(update={"until": until})
    return Signing(keys={"tests": old, "new": NEW})


def test_what_the_old_key_signed_counts_after_a_rotation(stage: Stage) -> None:
    """Approved under the old key, applied under the new one: its rows name the key that each was signed with."""
    stage.dirty("kept")
    stored = stage.approved()
    signing = rotated(datetime.now(UTC) + timedelta(milliseconds=1))
    config = changed(stage.config, ledger={"signing": signing})
    signer = keys.signer(signing, NEW_SECRET, datetime.now(UTC))
    assert stage.apply(stored, config=config, signer=signer)["kept"].state == "done"
    used = stage.ledger.ask(
        "SELECT place, key_id FROM upkeep.signatures WHERE digest = %s ORDER BY entry", stored.digest
    )
    assert used == [("shown", "tests"), ("decisions", "tests")] * 2 + [("permits", "new"), ("receipts", "new")]


def test_what_a_retired_key_signs_counts_for_nothing(stage: Stage) -> None:
    """Whoever still has it can write rows, and apply names them."""
    stage.dirty("kept")
    config = changed(stage.config, ledger={"signing": rotated(datetime.now(UTC) - HOUR)})
    outcome = stage.apply(stage.approved(), config=config)["kept"]
    assert outcome.state == "refused"
    assert "retired at" in outcome.reason
    assert stage.vacuums() == {"kept": 0}


@pytest.mark.parametrize(
    ("signing", "secret", "why"),
    [
        (Signing(), SECRET, "ledger.signing.keys: found none, expected the public half"),
        (SIGNING, None, "found no Ed25519 key in its password"),
        (SIGNING, "not base64", "found no Ed25519 key in its password"),
        (SIGNING, NEW_SECRET, "expected the public half of the key in Connection 'upkeep_signing' among them"),
        (rotated(datetime(2026, 1, 1, tzinfo=UTC)), SECRET, "keys.tests.until: found 2026-01-01"),
    ],
    ids=["unpinned", "none", "no-base64", "another", "retired"],
)
def test_a_key_that_config_does_not_pin_signs_nothing(signing: Signing, secret: str | None, why: str) -> None:
    """The error names the setting or the Connection, and says how a key is made where one is missing."""
    with pytest.raises(ConfigError) as error:
        keys.signer(signing, secret, datetime.now(UTC))
    assert why in str(error.value)


@pytest.mark.parametrize("public", ["", "abc", "AAAA", "x" * 44])
def test_a_public_half_that_is_none_is_a_clear_error(public: str) -> None:
    """It names what was expected and the command that prints it."""
    with pytest.raises(ValueError, match="expected base64 of the 32 bytes of an Ed25519 public key"):
        SigningKey(public=public)


# The ledger's own lock ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "people", "why"),
    [
        ({}, {}, "it has no signed approval of dba, devops"),
        ({}, {"dba": "ann"}, "it has no signed approval of devops"),
        ({"not_before": "+3h"}, BOTH, "by its own clock it is before"),
        ({"not_after": "-10m"}, BOTH, "by its own clock it is after"),
    ],
)
def test_the_ledger_itself_refuses_a_permit(
    stage: Stage, fields: dict[str, str], people: dict[str, str], why: str
) -> None:
    """Without quorum or out of time nobody can add one, whatever apply thinks."""
    stage.dirty("kept")
    now = datetime.now(UTC).replace(microsecond=0)
    times: dict[str, Any] = {}
    if "not_before" in fields:
        times = {"not_before": now + 3 * HOUR, "not_after": now + 4 * HOUR}
    if "not_after" in fields:
        times = {"not_before": now - HOUR, "not_after": now - HOUR / 6}
    stored = stage.decide(stage.plan(**times), people, at=now - HOUR)
    permit = Permit(stored.digest, "1", 1, "run", 1, {})
    with stage.ledger.session() as session, pytest.raises(psycopg.errors.CheckViolation, match=why):
        add_permit(session, permit, SIGNER)
    assert stage.permits(stored) == []


def test_the_ledger_itself_knows_no_action_but_the_plans(stage: Stage) -> None:
    """A permit for what the plan does not hold, and one for what a role left out."""
    stage.dirty("a", "b")
    stored = stage.decide(stage.plan(), ids={"1"})
    for action, why in {"3": "no plan with this digest holds action 3", "2": "no signed approval of dba"}.items():
        with stage.ledger.session() as session, pytest.raises(psycopg.errors.CheckViolation, match=why):
            add_permit(session, Permit(stored.digest, action, 1, "run", 1, {}), SIGNER)


# The command line ---------------------------------------------------------------------------------------------


@pytest.fixture
def alone(cluster: Cluster, empty_database: str) -> Iterator[Stage]:
    """A target with a ledger of its own."""
    found = drawn(cluster)
    try:
        create(found)
        upgrade(found)
        yield Stage(found, empty_database)
    finally:
        found.drop()


@pytest.fixture
def folder(alone: Stage, tmp_path: Path) -> Path:
    """A home with a config that pins the tests' key and this ledger."""
    file = config_folder(tmp_path) / "maintenance.yaml"
    content = yaml.safe_load(file.read_text())
    with alone.ledger.session() as session:
        content["ledger"]["identity"] = ledger_identity(session)
    file.write_text(yaml.safe_dump(content))
    return tmp_path


class Said(NamedTuple):
    """What a command ended with and printed."""

    code: int
    text: str


Command = Callable[..., Said]


@pytest.fixture
def ledger(
    alone: Stage, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """``python -m upkeep ledger …`` with this ledger pinned, in this process: each of its own costs seconds."""
    for name, value in (alone.ledger.environment(folder) | {"UPKEEP_CONFIG": str(folder / "config")}).items():
        if name.startswith(("AIRFLOW_CONN", "UPKEEP")):
            monkeypatch.setenv(name, value)
    settings.cache_clear()

    def run(*arguments: str) -> Said:
        capsys.readouterr()
        code = main(["ledger", *arguments])
        return Said(code, "".join(capsys.readouterr()))

    yield run
    settings.cache_clear()


def test_keygen_prints_a_pair_that_fits(ledger: Command) -> None:
    """What it says to put into the environment signs, what it says to pin verifies."""
    printed = ledger("keygen").text
    (line,) = [line for line in printed.splitlines() if "AIRFLOW_CONN_UPKEEP_SIGNING" in line]
    secret = json.loads(line.partition("'")[2].rstrip("'"))["password"]
    pinned = yaml.safe_load("ledger:" + printed.partition("\nledger:")[2].partition("\n\n")[0])
    signing = Signing(keys=pinned["ledger"]["signing"]["keys"])
    assert keys.signer(signing, secret, datetime.now(UTC)).key_id in signing.keys


def test_verify_names_what_was_forged_and_says_so_by_its_exit_code(alone: Stage, ledger: Command) -> None:
    """0 for a ledger as it was signed; 1 with the row's id, and for a head that the chain does not hold any more."""
    alone.dirty("kept")
    stored = alone.approved()
    fine = ledger("verify")
    assert fine.code == 0, fine.text
    head = fine.text.strip().rpartition(" ")[2]
    assert ledger("verify", "--expect", head).code == 0
    alone.ledger.change("DELETE FROM upkeep.signatures WHERE entry = 4")
    alone.ledger.change("DELETE FROM upkeep.decisions WHERE id = 2")
    cut = ledger("verify", "--expect", head)
    assert (cut.code, ledger("verify").code) == (1, 0)
    assert f"found no entry {head} of the chain" in cut.text
    alone.ledger.change("UPDATE upkeep.decisions SET person = 'eve' WHERE digest = %s", stored.digest)
    forged = ledger("verify")
    assert forged.code == 1
    assert "decisions row 1 (entry 2)" in forged.text


def test_rows_from_before_are_counted_and_count_for_nothing(alone: Stage, ledger: Command) -> None:
    """What a ledger held when it was upgraded is refused by id, and is no forgery; a row added since is one."""
    alone.dirty("kept")
    stored = alone.approved()
    alone.ledger.change("DELETE FROM upkeep.signatures")
    alone.ledger.change("UPDATE upkeep.before_signatures SET last_id = 2")
    outcome = alone.apply(stored)["kept"]
    assert "without a signature: it was written before the ledger signed its rows" in outcome.reason
    assert alone.vacuums() == {"kept": 0}
    verified = ledger("verify")
    assert verified.code == 0, verified.text
    assert "decisions: 2 rows are from before" in verified.text
    alone.ledger.change("UPDATE upkeep.before_signatures SET last_id = 1")
    verified = ledger("verify")
    assert verified.code == 1
    assert "decisions row 2 without a signature, added not by Upkeep" in verified.text
    assert "decisions: 1 rows are from before" in verified.text
