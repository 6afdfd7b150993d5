"""Runs of apply as processes of their own, whose archives go to a container, and which end at one of their requests."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from dataclasses import dataclass, field
from io import BytesIO
from multiprocessing.process import BaseProcess

import pyarrow.parquet as pq

from tests.stages.blob_wire import UNANSWERED, UNSENT, Asked
from tests.stages.containers import Contained
from tests.stages.forking import forking
from tests.stages.killing import LOCK_HELD
from tests.stages.sessions import to, until
from tests.stages.signing import SIGNER
from upkeep.areas.kinds import kinds
from upkeep.areas.retention.store import MANIFEST, OBJECT
from upkeep.gate.apply.run import ApplyRun, Connectors
from upkeep.gate.apply.target import LOCK
from upkeep.gate.plan_store import StoredPlan
from upkeep.settings.maintenance import Maintenance
from upkeep.wires.sas import credentials

#: A row: its key and text.
Row = tuple[int, str]


def apply(ledger: str, target: str, config: Maintenance, stored: StoredPlan, folder: str, sas: str) -> None:
    """The process that applies a plan."""
    os.environ["UPKEEP_CONFIG"] = folder
    plan = stored.plan
    run = ApplyRun(
        *(Connectors(to(ledger), to(target), to(target)), kinds(), config, lambda: config, stored, plan.run_id, SIGNER),
        say=lambda _: None,
        requested_by=plan.requested_by,
    )
    with credentials(lambda _: sas):
        run.run()


@dataclass
class Runs:
    """Runs over the log of the class usual, whose rows are ``written``; ``copies`` are those that archives held."""

    contained: Contained
    written: set[Row] = field(default_factory=set)
    copies: dict[str, set[Row]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.written = self.rows()

    def rows(self) -> set[Row]:
        """What is in the log."""
        return {(row["id"], row["body"]) for row in self.contained.keeping.stage.look("SELECT id, body FROM log")}

    def killed(self, kind: str, at: int, *, done: bool) -> bool:
        """Plan and apply a kind; SIGKILL when it asks for the so-manieth time, which is still ``done`` or is not.

        False when it ended before by itself.
        """
        stage, wire = self.contained.keeping.stage, self.contained.wire
        stored = self.contained.keeping.proposed(kind)
        job = (stage.ledger.dsn("tasks"), stage.dsn, stage.config, stored, str(self.contained.keeping.folder))
        process: BaseProcess = forking().Process(target=apply, args=(*job, self.contained.sas))
        asked, ended = 0, threading.Event()

        def strike(_: Asked) -> str | None:
            nonlocal asked
            asked += 1
            if asked != at:
                return None
            process.kill()
            ended.wait()
            return UNANSWERED if done else UNSENT

        wire.rules.append(strike)
        try:
            process.start()
            process.join()
        finally:
            ended.set()
            wire.rules.remove(strike)
        assert process.exitcode in (0, -9), process.exitcode
        until(lambda: not stage.look(LOCK_HELD, LOCK))  # its server process ends what it was told
        return process.exitcode == -9

    def judge(self) -> None:
        """Each row is in the log, or in an archive whose bytes were those of its manifest when it became one."""
        bucket = self.contained.bucket
        for name in bucket.names():
            if name.endswith(MANIFEST) and name not in self.copies:
                content = json.loads(bucket.read(name))["content"]
                whole = self.contained.store.blob(name.rpartition("/")[2].removesuffix(MANIFEST) + OBJECT)
                raw = bucket.read(whole)
                assert hashlib.sha256(raw).hexdigest() == content["sha256"], f"{name} is of other bytes"
                columns = pq.read_table(BytesIO(raw), columns=["id", "body"]).to_pydict()
                self.copies[name] = {(int(key), text) for key, text in zip(columns["id"], columns["body"], strict=True)}
        lost = self.written - self.rows() - set().union(*self.copies.values())
        assert not lost, f"{len(lost)} rows are neither in the log nor in an archive"
