"""`make mutants`: plant small faults in the rooms where safety lies, and see whether the room's tests fall.

A seeded sample; each fault is planted in a copy of the working tree and judged by the tests that rooms.yaml names,
which must be green there without it. A fault that they let live is named with its line, unless argued.yaml says why
the line then means the same. Exit code 0 from GOAL percent on, 1 below it, 2 when there is nothing to measure by.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.mutants.mutate import Mutant, mutants

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
GOAL = 95.0
#: How long the tests of a room may take with a fault: so many times what they take without it, and a minute.
_PATIENCE = 4


@dataclass(frozen=True)
class Room:
    """Files and the tests that look after them, the quickest first."""

    name: str
    files: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(frozen=True)
class Ran:
    """How the tests ended: passed or not, and by what they fell."""

    passed: bool
    by: str
    seconds: float


@dataclass(frozen=True)
class Judged:
    """A fault, what became of it, and why it may live where somebody has argued that."""

    room: str
    mutant: Mutant
    ran: Ran
    argued: str = ""

    def __str__(self) -> str:
        one = self.mutant
        state = f"killed by {self.ran.by}" if not self.ran.passed else "argued" if self.argued else "SURVIVED"
        return f"{state}: {one.path}:{one.line}\n    - {one.was}\n    + {one.becomes}" + (
            f"\n    because {self.argued}" if self.argued else ""
        )


def rooms(folder: Path = HERE, root: Path = ROOT) -> list[Room]:
    """The rooms of rooms.yaml, its patterns as files. Raises SystemExit for a pattern that names none."""
    found = []
    for name, one in yaml.safe_load((folder / "rooms.yaml").read_text()).items():
        files: dict[str, list[str]] = {}
        for what in ("files", "tests"):
            files[what] = [str(path.relative_to(root)) for glob in one[what] for path in sorted(root.glob(glob))]
            if gone := [glob for glob in one[what] if not list(root.glob(glob))]:
                raise SystemExit(f"tests/mutants/rooms.yaml: {name}.{what}: found no file {', '.join(gone)}")
        found.append(Room(name, tuple(files["files"]), tuple(dict.fromkeys(files["tests"]))))
    return found


def argued(folder: Path = HERE) -> list[dict[str, Any]]:
    """What argued.yaml says: path, was, becomes, because."""
    return yaml.safe_load((folder / "argued.yaml").read_text()) or []


def planted(some: Iterable[Room], root: Path = ROOT) -> list[tuple[Room, Mutant]]:
    """Every fault of some rooms."""
    return [(room, one) for room in some for path in room.files for one in mutants(path, (root / path).read_bytes())]


class Copies:
    """Copies of the working tree, one for each of those that work side by side."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._root, self._folder, self._mine = root, folder, threading.local()

    def mine(self) -> Path:
        """The one of this thread."""
        if not hasattr(self._mine, "path"):
            self._mine.path = Path(tempfile.mkdtemp(dir=self._folder)) / "tree"
            listed = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
            names = subprocess.run(listed, cwd=self._root, capture_output=True, check=True).stdout.decode()
            for name in filter(None, names.split("\0")):
                if (self._root / name).is_file():
                    (self._mine.path / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(self._root / name, self._mine.path / name)
            if (self._root / ".venv").exists():
                (self._mine.path / ".venv").symlink_to(self._root / ".venv")
        path: Path = self._mine.path
        return path

    def run(self, tests: Sequence[str], mutant: Mutant | None = None, patience: float | None = None) -> Ran:
        """Run tests in this thread's copy until the first one falls, with a fault or without."""
        copy = self.mine()
        source = (copy / mutant.path).read_bytes() if mutant else b""
        try:
            if mutant:
                (copy / mutant.path).write_bytes(mutant.planted(source))
            return _pytest(copy, tests, patience)
        finally:
            if mutant:
                (copy / mutant.path).write_bytes(source)


def _pytest(copy: Path, tests: Sequence[str], patience: float | None) -> Ran:
    options = ["-x", "-rfE", "--tb=no", "-p", "no:cacheprovider", f"--basetemp={copy.parent / 't'}"]
    environment = os.environ | {
        "PYTHONDONTWRITEBYTECODE": "1",  # a fault may keep the file's size and second
        "PYTHONPATH": f"{copy / 'plugins'}:{copy}",  # processes that a test starts have the fault too
    }
    began = time.monotonic()
    with (copy.parent / "log").open("w+") as log:
        argv = [sys.executable, "-m", "pytest", *options, *tests]
        process = subprocess.Popen(argv, cwd=copy, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            code = process.wait(patience)
            log.seek(0)
            said = log.read()
            fell = re.search(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
            by = fell[1] if fell else f"exit code {code}: {said.strip()[-200:]}"
        except subprocess.TimeoutExpired:
            by = "the clock"
            process.send_signal(signal.SIGINT)  # so that it stops the servers that it started
        finally:
            _end(process)
    return Ran(process.returncode == 0 and by != "the clock", by, time.monotonic() - began)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def judge(
    sample: Sequence[tuple[Room, Mutant]], root: Path, jobs: int, known: Sequence[dict[str, Any]]
) -> list[Judged]:
    """Each fault judged, told as it ends. Raises SystemExit when tests fall without one."""
    because = {(one["path"], one["was"], one["becomes"]): one["because"] for one in known}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(jobs) as pool:
        copies = Copies(root, Path(folder))
        needed = list(dict.fromkeys(room for room, _ in sample))
        clean = dict(zip(needed, pool.map(lambda room: copies.run(room.tests), needed), strict=True))
        if red := [f"{room.name} ({ran.by})" for room, ran in clean.items() if not ran.passed]:
            raise SystemExit(f"tests fall without any fault, so they can judge none: {', '.join(red)}")

        def one(picked: tuple[Room, Mutant]) -> Judged:
            room, mutant = picked
            ran = copies.run(room.tests, mutant, _PATIENCE * clean[room].seconds + 60)
            told = because.get((mutant.path, mutant.was, mutant.becomes), "") if ran.passed else ""
            judged = Judged(room.name, mutant, ran, told)
            print(judged, flush=True)
            return judged

        return list(pool.map(one, sample))


def main(argv: Sequence[str] | None = None) -> int:
    """Sample, judge, print the score and who survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("rooms", nargs="*", help="only these rooms of rooms.yaml")
    asked = parser.parse_args(argv)
    every = rooms()
    if unknown := sorted(set(asked.rooms) - {room.name for room in every}):
        raise SystemExit(f"found room {', '.join(unknown)}, expected some of {', '.join(room.name for room in every)}")
    possible = planted(room for room in every if not asked.rooms or room.name in asked.rooms)
    picked = random.Random(asked.seed).sample(possible, min(asked.sample, len(possible)))
    print(f"{len(picked)} of {len(possible)} faults, seed {asked.seed}", flush=True)
    found = judge(picked, ROOT, asked.jobs, argued())
    return report(found)


def report(found: Sequence[Judged]) -> int:
    """Print the score; 0 when it reaches the goal."""
    lived = [one for one in found if one.ran.passed and not one.argued]
    same = [one for one in found if one.argued]
    counted = len(found) - len(same)
    score = 100 * (counted - len(lived)) / counted if counted else 100.0
    for title, some in (("Argued", same), ("Survived", lived)):
        print("\n".join([f"\n{title}: {len(some)}", *map(str, some)]))
    clock = sum(one.ran.by == "the clock" for one in found)
    print(f"\n{counted - len(lived)} of {counted} killed ({clock} by the clock): {score:.1f} %, goal {GOAL:g} %")
    return 0 if score >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
