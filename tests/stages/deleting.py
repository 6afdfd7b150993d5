"""A log whose rows are archived and deleted while everything goes wrong: one fault a run, each row looked for after it.

What is lost is judged by this module alone: from the rows that it wrote, the table, and the archives' bytes as they
were when they became archives. What happens to a file later is the store's, and must be found.
"""

from __future__ import annotations

import hashlib
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg.rows import dict_row

from tests.stages.forking import forking
from tests.stages.keeping import Keeping
from tests.stages.killing import LOCK_HELD
from tests.stages.rereading import readers, through
from tests.stages.sessions import to, until
from tests.stages.signing import SIGNER
from tests.stages.unsound import VARIANTS
from upkeep.areas.kinds import kinds
from upkeep.areas.retention import archives
from upkeep.areas.retention.reread import NotAsWritten
from upkeep.areas.retention.restore import checked
from upkeep.areas.retention.store import DELETED, MANIFEST, OBJECT
from upkeep.gate.apply.run import ApplyRun, Connectors
from upkeep.gate.apply.target import LOCK
from upkeep.gate.plan_store import StoredPlan
from upkeep.settings.maintenance import Maintenance
from upkeep.wires.database import Row

#: Rows of a log at first, and of a batch.
ROWS, BATCH = 120, 6
#: What is done to a run, and how often beside the others.
FAULTS = {
    "kill": 6,
    "flip": 1,
    "truncate": 1,
    "remove": 1,
    "swap": 1,
    "manifest": 1,
    "change": 2,
    "insert": 2,
    "hold": 2,
    "twice": 1,
    "restart": 1,
    "cut": 1,
    "full": 1,
    "duplicate": 1,
    "bite": 1,
}
#: Of this share of trials archives are read again by processes that start as the product's do.
WHOLE = 0.05
#: Of this share of runs that delete the fault comes at a moment of their time, else while rows go, by how many are left
#: and up to so many seconds later.
TIMED, BETWEEN = 0.2, 0.01
DAMAGE = {"flip", "truncate", "remove", "swap", "manifest"}
#: A row: its key and text.
Written = tuple[int, str]
#: A folder of a module that each process which reads an archive loads first: it waits there until the harness opens.
GATE, WAITS, OPEN = "gate", "waits", "open"
KEEPER = f"""
import pathlib, time
here = pathlib.Path(__file__).parent
(here / {WAITS!r}).touch()
while here.exists() and not (here / {OPEN!r}).exists():
    time.sleep(0.001)
"""


def apply(ledger: str, target: str, config: Maintenance, stored: StoredPlan, variant: str, *where: str) -> None:
    """The process that applies a plan; where its config is, and where it has archives read again."""
    folder, readers = where
    os.environ["UPKEEP_CONFIG"] = folder
    if (gate := Path(folder, GATE)).exists():  # those that it starts find modules where it does
        sys.path.insert(0, str(gate))
    plan, kind = stored.plan, VARIANTS[variant]
    known = {**kinds(), kind.name: kind}
    run = ApplyRun(
        *(Connectors(to(ledger), to(target), to(target)), known, config, lambda: config, stored, plan.run_id, SIGNER),
        say=lambda _: None,
        requested_by=plan.requested_by,
    )
    with through(readers):
        run.run()


@dataclass
class Trials:
    """Faulty runs over one log after the other; ``draw`` decides what happens when."""

    keeping: Keeping
    draw: random.Random
    variant: str = "sound"
    faults: Mapping[str, int] = field(default_factory=lambda: FAULTS)
    done: Counter[str] = field(default_factory=Counter)
    #: How often an archive was hurt; that it is found is asked after each run.
    found: int = 0
    deleted: int = 0
    logs: int = 0
    minutes: float = 0
    #: Rows that were written and not changed since; those that archives held when they became archives, by name.
    written: set[Written] = field(default_factory=set)
    copies: dict[str, set[Written]] = field(default_factory=dict)
    #: All that was ever in a log, of whatever text.
    ever: set[Written] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    other: bytes = b"nothing of an archive"
    stored: StoredPlan | None = None
    disk: Path | None = None
    #: How many rows may be on their way out in one transaction.
    batch: int = BATCH
    #: How many faults came while a run was under way; in how many trials readers started as the product starts them.
    amid: int = 0
    whole: int = 0
    #: Where archives are read again in this trial; seconds that a run takes, about, so that moments are drawn from it.
    reading: str = ""
    usual: float = 0.3
    looking: psycopg.Connection[Row] | None = None

    def run(self, trials: int) -> None:
        """So many faults, each followed by a look for every row; then runs without any until nothing is left to do."""
        began = time.monotonic()
        try:
            with readers(forking()) as place:
                self._run(trials, place)
        finally:
            if self.looking:
                self.looking.close()
        self.minutes = (time.monotonic() - began) / 60

    def _run(self, trials: int, place: str) -> None:
        while self.done.total() < trials:
            self.begin()
            while self.rows() and self.done.total() < trials:
                left = {name: often for name, often in self.faults.items() if not self.done[name]} or self.faults
                fault = self.draw.choices(list(left), list(left.values()))[0]  # each once first
                self.reading = "" if fault == "bite" or self.draw.random() < WHOLE else place
                self.whole += not self.reading
                with through(self.reading):
                    self.one(fault)
            self.reading = place
            for _ in range(6):
                if self.rows():
                    with through(place):
                        self.one("")
            assert not self.rows(), f"{len(self.rows())} rows stay although no fault keeps them"
            self.deleted += len(self.written)
            shutil.rmtree(self.keeping.places)  # thousands of logs would fill the disk

    def begin(self) -> None:
        """Rows of a new month of archives, in a place of its own."""
        self.logs += 1
        place = (self.disk or self.keeping.folder) / f"places_{self.logs}"
        place.mkdir()
        self.written, self.copies, self.damaged, self.stored = set(), {}, set(), None
        self.keeping.places = place
        self.keeping.write(locations={"here": {"title": "here", "path": str(place)}}, batch_rows=BATCH, holds=[])
        self.insert(ROWS)

    def insert(self, rows: int) -> None:
        """Due rows of one month, each with a text of its own; some under keys that were deleted."""
        free = sorted({key for key, _ in self.written} - {key for key, _ in self.rows()})
        texts = [f"{self.logs} {self.draw.random()}" for _ in range(rows)]
        keys = [free.pop() if free and number % 2 else None for number in range(rows)]
        query = (
            "INSERT INTO log (id, at, body) OVERRIDING SYSTEM VALUE"
            " SELECT coalesce(u.key, nextval('log_id_seq')), date_trunc('month', now() - interval '160 days')"
            " + interval '5 days', u.body FROM unnest(%s::bigint[], %s::text[]) AS u (key, body) RETURNING id, body"
        )
        new = {(row["id"], row["body"]) for row in self.keeping.stage.look(query, keys, texts)}
        self.written |= new
        self.ever |= new

    def change(self) -> None:
        """Change rows that nobody has locked."""
        query = (
            "UPDATE log SET body = body || '!' WHERE id IN (SELECT id FROM log ORDER BY md5(body) LIMIT 3"
            " FOR UPDATE SKIP LOCKED) RETURNING id, body"
        )
        for row in self.keeping.stage.look(query):
            self.written -= {(row["id"], row["body"][:-1])}
            self.written.add((row["id"], row["body"]))
            self.ever.add((row["id"], row["body"]))

    def rows(self) -> set[Written]:
        """What is in the log."""
        return {(row["id"], row["body"]) for row in self.look("SELECT id, body FROM log")}

    def look(self, query: str, *values: object) -> list[Row]:
        """Rows of the target; a connection of its own for each would cost both sides 10 ms."""
        if self.looking is None or self.looking.closed:
            self.looking = psycopg.connect(self.keeping.stage.dsn, autocommit=True, row_factory=dict_row)
        return self.looking.execute(query.encode(), values).fetchall()

    def __str__(self) -> str:
        """What was tried, and how fast."""
        tried = self.done.total()
        return (
            f"{tried} runs with a fault ({dict(self.done)}), {self.amid} of them stopped or killed amid it, "
            f"{self.whole} with readers started anew, {tried / self.minutes:.0f} a minute"
        )

    # One run ----------------------------------------------------------------------------------------------------

    def one(self, fault: str) -> None:
        """Plan, approve, apply, and meanwhile the fault; then every row is looked for."""
        self.keeping.write(holds=[])
        self.stored = self.stored or self.keeping.proposed("archive", "delete")
        gate = self.keeping.folder / GATE
        if fault == "bite":
            gate.mkdir()
            (gate / "sitecustomize.py").write_text(KEEPER)
        deletes = any(one.kind == "delete" for one in self.stored.plan.actions)
        running = [self.start() for _ in range(2 if fault == "twice" else 1)]
        kept, under_way = self.strike(fault, running[0], deletes) if fault not in ("", "twice", "bite") else (set(), 0)
        if fault == "bite":
            try:
                until(lambda: (gate / WAITS).exists() or not running[0].is_alive())
                self.bite()
            finally:
                (gate / OPEN).touch()  # a reader would wait for it for ever
        for process in running:
            process.join(60)
            ended = (0, 1) if fault == "restart" else (0, -signal.SIGKILL)  # without its ledger a run can say nothing
            assert process.exitcode in ended, f"{fault}: a run ended with {process.exitcode}"
        self.balloon.unlink(missing_ok=True)
        shutil.rmtree(gate, ignore_errors=True)
        if self.away.exists():
            self.away.rename(self.keeping.places)
        until(lambda: not self.look(LOCK_HELD, LOCK), pause=0.002)
        self.done.update([fault] if fault else [])
        now = self.rows()
        assert len(kept - now) <= under_way, f"{fault}: {len(kept - now)} rows were deleted after it"
        self.know_archives()
        lost = self.written - now - set().union(*self.copies.values())
        assert not lost, f"{fault}: {len(lost)} rows are neither in the log nor in an archive that was verified"
        self.judge_damage()
        self.stored = self.stored if fault in {"kill", "restart"} and self.draw.random() < 0.5 else None

    @property
    def away(self) -> Path:
        """Where the archives are while their store is cut off."""
        return self.keeping.places.with_suffix(".away")

    @property
    def balloon(self) -> Path:
        """What fills the disk."""
        return self.keeping.places.with_suffix(".balloon")

    def start(self) -> BaseProcess:
        """A run of apply as a process of its own."""
        stage = self.keeping.stage
        where = (str(self.keeping.folder), self.reading)
        job = (stage.ledger.dsn("tasks"), stage.dsn, stage.config, self.stored, self.variant, *where)
        process = forking().Process(target=apply, args=job)
        process.start()
        return process

    def strike(self, fault: str, process: BaseProcess, deletes: bool) -> tuple[set[Written], int]:
        """Do something at a random moment: the rows that must stay from then on, and how many of them may have been
        checked and on their way out at that moment.
        """
        self.wait(process, deletes)
        self.amid += process.is_alive()
        if fault == "kill" or not process.is_alive() or process.pid is None:
            process.kill()
            return set(), 0
        with suppress(ProcessLookupError):  # it ended just now: then the fault comes after it
            os.kill(process.pid, signal.SIGSTOP)
        try:
            until(lambda: "active" not in self.states(), pause=0.002)  # the server ends the statement that it was given
            under_way = self.batch if "idle in transaction" in self.states() else 0
            kept, hurt = self.rows(), len(self.damaged)
            self.harm(fault, process.pid)
        finally:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
        return (kept, under_way) if fault in {"hold", "cut"} or len(self.damaged) > hurt else (set(), 0)

    def wait(self, process: BaseProcess, deletes: bool) -> None:
        """Until a random moment of the run: one of its time, or of its deletion, when so many rows are left."""
        total, moment = len(self.rows()), self.draw.random()
        wanted = self.draw.randint(0, total)
        if not deletes or wanted == total or self.draw.random() < TIMED:
            began = time.monotonic()
            process.join(moment * self.usual)
            took = time.monotonic() - began
            self.usual = self.usual * 1.05 if process.is_alive() else max(0.05, took)
            return
        end = time.monotonic() + 60
        while process.is_alive() and time.monotonic() < end and self.look("SELECT FROM log OFFSET %s LIMIT 1", wanted):
            time.sleep(0.002)
        time.sleep(moment * BETWEEN)

    def states(self) -> list[str]:
        """What the sessions that hold the target's lock do."""
        pids = [row["pid"] for row in self.look(LOCK_HELD, LOCK)]
        rows = self.look("SELECT state FROM pg_stat_activity WHERE pid = ANY (%s)", pids)
        return [row["state"] for row in rows]

    def harm(self, fault: str, pid: int) -> None:
        """The fault itself, while the process stands still."""
        if fault == "change":
            self.change()
        elif fault == "insert":
            self.insert(3)
        elif fault == "hold":
            self.keeping.write(holds=[{"log": "usual", "reason": "case", "by": "Jane"}])
        elif fault == "restart":
            self.restart()
        elif fault == "cut":
            self.keeping.places.rename(self.away)
        elif fault == "full":
            self.fill_up(pid)
        elif fault == "duplicate":
            self.duplicate()
        else:
            for name in self.copies:
                self.damage(fault, name)

    def fill_up(self, pid: int) -> None:
        """Leave a few pages of the archives' disk; where they have none of their own the process may write no more."""
        left = 1024 * self.draw.randrange(16)
        if self.disk is None:
            with suppress(ProcessLookupError):  # as in strike: it ended just now
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (left, left))
            return
        with self.balloon.open("wb") as file, suppress(OSError):  # it may be full by now
            os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(self.disk).free - left))

    def bite(self) -> None:
        """Hurt what is written and not read back yet, as a disk would that keeps other bytes than it was given."""
        store = self.keeping.store()
        for path in (store.path(name) for name in store.orphans() if name.endswith(OBJECT)):
            path.write_bytes(self.flipped(path.read_bytes()))

    def flipped(self, raw: bytes) -> bytes:
        """The same but for a bit."""
        at = self.draw.randrange(len(raw))
        return raw[:at] + bytes([raw[at] ^ 1 << self.draw.randrange(8)]) + raw[at + 1 :]

    def restart(self) -> None:
        """A process of the server dies, which ends all others and begins the recovery from its WAL."""
        self.rows()
        with psycopg.connect(self.keeping.stage.dsn) as victim:
            os.kill(victim.info.backend_pid, signal.SIGKILL)
            with suppress(psycopg.OperationalError):
                victim.execute("SELECT 1")
        until(lambda: not self.answers(), pause=0.002)  # the session that looks has ended like all others
        until(self.answers, pause=0.01)

    def answers(self) -> bool:
        """Whether the server does; it is asked in a new session after one that failed."""
        try:
            return bool(self.rows() or True)
        except psycopg.OperationalError:
            if self.looking:
                self.looking.close()  # one that broke amid a statement can be open still, and of no more use
            return False

    def duplicate(self) -> None:
        """Every sound archive under another name too."""
        store = self.keeping.store()
        for name in set(store.names(MANIFEST)) - self.damaged:
            for kind in (OBJECT, MANIFEST):
                store.path(f"{name}_{self.done.total()}{kind}").write_bytes(store.path(name + kind).read_bytes())

    def damage(self, fault: str, name: str) -> None:
        """Hurt an archive, once, as a store or a person would."""
        path = self.keeping.store().path(name + (MANIFEST if fault == "manifest" else OBJECT))
        if name in self.damaged:
            return
        raw = path.read_bytes()
        at, flipped = self.draw.randrange(len(raw)), self.flipped(raw)
        new = {"truncate": raw[:at], "manifest": raw[:at], "swap": self.other}.get(fault, flipped)
        new = flipped if new == raw else new  # the same rows, archived anew, are the same bytes
        self.other = raw
        if fault == "remove":
            path.unlink()
        else:
            path.write_bytes(new)
        self.damaged.add(name)
        self.found += 1

    # What became of it -------------------------------------------------------------------------------------------

    def know_archives(self) -> None:
        """Read each new archive as it is when it becomes one, by ourselves."""
        store = self.keeping.store()
        for name in set(store.names(MANIFEST)) - set(self.copies) - self.damaged:
            self.copies[name] = copy = self.copy(store.path(name + OBJECT))
            assert copy <= self.ever, f"{name} became an archive of {len(copy - self.ever)} rows that never were"
            content = store.manifest(name)[0]["content"]
            found = hashlib.sha256(store.path(name + OBJECT).read_bytes()).hexdigest()
            assert (content["rows"], content["sha256"]) == (len(copy), found), (
                f"{name} became an archive of other bytes"
            )

    def copy(self, path: Path) -> set[Written]:
        """What an object holds."""
        try:
            columns = pq.read_table(path, columns=["id", "body"]).to_pydict()
            return {(int(key), text) for key, text in zip(columns["id"], columns["body"], strict=True)}
        except (OSError, ValueError) as why:
            raise AssertionError(f"{path.name} became an archive and cannot be read: {why}") from None

    def judge_damage(self) -> None:
        """Every archive that was hurt is found: by the check while rows are to go by it, else by another reading."""
        if not self.damaged:
            return
        store, config = self.keeping.store(), self.keeping.config
        said = " ".join(one.key for one in archives.damage(config, self.keeping.stage.name))
        for name in self.damaged:
            if not store.has(name + DELETED):
                assert f":{name}" in said, f"the damage to {name} was not found: {said}"
                continue
            with pytest.raises(NotAsWritten):
                checked(store, name)
