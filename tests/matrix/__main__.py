"""`make matrix`: the tests of all SQL checks on PostgreSQL 14 to 18, or on the majors given as words.

`python -m tests.matrix 14 18` takes only these two. Two majors run side by side; what each says is printed as it ends.
Exit code 0 when every test passed on every major, 1 when one did not, 2 when a major cannot be had here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from sandbox import npm_postgres

#: A standby begins with pg_basebackup, which these builds do not have either; `make test` runs these on the wheel's 17.
ON_A_STANDBY = [
    f"tests/areas/indexes/test_indexes.py::{test}"
    for test in (
        "test_an_index_that_only_a_standby_uses_is_used",
        "test_a_standby_that_nobody_asked_stops_the_proposal",
        "test_a_configured_standby_that_follows_no_more_is_told",
        "test_a_replica_connection_that_leads_elsewhere",
        "test_on_a_standby_nothing_is_judged",
    )
]
#: What apply runs depends on the major too: PostgreSQL 18 reads VACUUM of a parent in another way.
#: So do partitions: how they are locked, detached and looked up.
APPLIED = [
    "tests/areas/retention/test_partitions.py",
    "tests/areas/tables/test_vacuum.py::test_an_inheritance_child_that_nobody_approved_is_left_alone",
    "tests/gate/test_bound.py",
    "tests/gate/test_locked.py",
]
TESTS = ["tests/areas", *APPLIED]


@dataclass(frozen=True)
class Ran:
    """What became of the tests on one major."""

    major: int
    code: int
    output: str
    seconds: float

    def __str__(self) -> str:
        *_, summary = self.output.strip().splitlines() or [""]
        return f"PostgreSQL {npm_postgres.PINNED[self.major][0].partition('-')[0]:8} {summary}"


def run(major: int, programs: Path) -> Ran:
    """Run the tests with this major's programs under every server that they start."""
    environment = {**os.environ, "UPKEEP_TEST_POSTGRES": str(programs), "UPKEEP_MATRIX": str(major)}
    argv = [sys.executable, "-m", "pytest", "-p", "tests.matrix.plugin", "-p", "no:cacheprovider", "-rs"]
    argv += [f"--deselect={test}" for test in ON_A_STANDBY]
    began = time.monotonic()
    done = subprocess.run(
        [*argv, *TESTS, "tests/matrix"],
        check=False,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Ran(major, done.returncode, done.stdout, time.monotonic() - began)


def main(words: list[str]) -> int:
    """Fetch what is missing, one after the other, then run."""
    try:
        if other := [word for word in words if not word.isdecimal()]:
            raise npm_postgres.NoBuildError(f"found {', '.join(other)}, expected majors such as 14 18")
        majors = sorted({int(word) for word in words}) or list(npm_postgres.PINNED)
        builds = {major: npm_postgres.bin_dir(major) for major in majors}
    except npm_postgres.NoBuildError as error:
        print(f"No matrix: {error}", file=sys.stderr)
        return 2
    ran = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for future in as_completed([pool.submit(run, major, programs) for major, programs in builds.items()]):
            ran.append(one := future.result())
            print(f"---- PostgreSQL {one.major}, {one.seconds:.0f} s\n{one.output}", flush=True)
    print(*sorted(map(str, ran)), sep="\n")
    return 1 if any(one.code for one in ran) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
