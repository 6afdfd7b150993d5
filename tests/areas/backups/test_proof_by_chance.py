"""Weeks of daily looks in which chance makes, removes, spoils and mends backups, and changes config and clock (G100).

The backups are small ones of a test's own, with manifests as pg_basebackup writes them; pg_verifybackup looks at them.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.postgres import bin_dir
from upkeep.areas.backups.look import look_at_backups
from upkeep.areas.backups.proof_memory import DAYS, Memory
from upkeep.core.findings import Level
from upkeep.ledger.write import LookResult
from upkeep.settings.backups import Backups

#: Weeks of so many days, one for each seed; ``UPKEEP_WEEKS`` says how many seeds.
LOOKS, SEEDS = 60, int(os.environ.get("UPKEEP_WEEKS") or 2)
_MANIFEST = '{ "PostgreSQL-Backup-Manifest-Version": 1,\n"Files": [\n%s\n],\n"WAL-Ranges": [\n],\n'
_LABEL = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\nSTART TIME: {:%Y-%m-%d %H:%M:%S} UTC\n"


def flip(file: Path) -> None:
    """Turn a bit of a file around; once more, and it is as it was."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@dataclass
class Chance:
    """Backups and what is bad of them: each file by its backup and path."""

    folder: Path
    rng: random.Random
    now: datetime = datetime(2026, 5, 1, 2, tzinfo=UTC)
    there: dict[str, list[str]] = field(default_factory=dict)
    spoilt: set[tuple[str, str]] = field(default_factory=set)

    def make(self, name: str) -> None:
        """A finished backup of a few files."""
        files = {"PG_VERSION": b"17\n", "backup_label": _LABEL.format(self.now).encode()}
        many = self.rng.randrange(1, 20)
        files |= {f"base/{number}": self.rng.randbytes(self.rng.randrange(1, 3000)) for number in range(many)}
        entries = []
        for path, content in files.items():
            file = self.folder / "base" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            entry = {"Path": path, "Size": len(content), "Last-Modified": "2026-05-01 00:00:00 GMT"}
            checksum = {"Checksum-Algorithm": "SHA256", "Checksum": hashlib.sha256(content).hexdigest()}
            entries.append(json.dumps(entry | checksum))
        text = _MANIFEST % ",\n".join(entries)
        text += f'"Manifest-Checksum": "{hashlib.sha256(text.encode()).hexdigest()}"}}\n'
        (self.folder / "base" / name / "backup_manifest").write_text(text)
        self.there[name] = sorted(path for path in files if path.startswith("base/"))

    def keep(self, most: int) -> None:
        """Retention: the oldest go."""
        for name in sorted(self.there)[:-most]:
            shutil.rmtree(self.folder / "base" / name)
            del self.there[name]
        self.spoilt = {one for one in self.spoilt if one[0] in self.there}

    def turn(self, one: tuple[str, str]) -> None:
        """Spoil a file, or mend it."""
        flip(self.folder / "base" / one[0] / one[1])
        self.spoilt ^= {one}

    def look(self, snapshot: Any, **given: Any) -> LookResult:
        usual = {"base": self.folder / "base", "verify_program": str(bin_dir() / "pg_verifybackup")}
        config = Backups(wal=self.folder / "wal", **(usual | given))
        return look_at_backups(config, self.now, snapshot)


@pytest.mark.guide("G100", "fires", "silent", "holds")
@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_happens_nothing_bad_is_forgotten_and_nothing_good_is_bad(tmp_path: Path, seed: int) -> None:
    """What was found is said until it is mended or gone; what is under proof for seven looks is found."""
    rng = random.Random(seed)
    chance, nightly, kept = Chance(tmp_path, rng), seed % 2 == 0, rng.choice([3, 9, 20])
    snapshot, known, waits, plan = None, set[tuple[str, str]](), dict[tuple[str, str], int](), ""
    for number in range(LOOKS):
        if number == 0 or nightly or rng.random() < 0.15:
            chance.make(f"{number:03}")
        chance.keep(kept)
        if rng.random() < 0.3:
            name = rng.choice(sorted(chance.there))
            chance.turn((name, rng.choice(chance.there[name])))
        if chance.spoilt and rng.random() < 0.15:
            chance.turn(rng.choice(sorted(chance.spoilt)))
        proof = rng.choices(["sevenths", "whole"], [9, 1])[0]
        budget = rng.randrange(1, 20_000) if proof == "sevenths" and rng.random() < 0.1 else None
        looked = chance.look(snapshot, proof=proof, proof_budget_bytes=budget)
        snapshot = json.loads(json.dumps(looked.snapshot)) if looked.snapshot else snapshot
        memory = Memory.model_validate(snapshot) if snapshot else Memory(since=chance.now, at=chance.now)
        named = {(one.backup.name, one.path) for one in memory.bad if not one.away}
        assert known & chance.spoilt <= named <= chance.spoilt, number
        said = {one.level for one in looked.findings if one.key.startswith("backups:integrity")}
        assert (Level.CRITICAL in said) == bool(named) or (proof == "whole" and not named)
        known = named
        step = rng.choice([2, 3, 12, -5, 0]) if rng.random() < 0.1 else 1
        chance.now += timedelta(days=step)
        if proof == "sevenths":
            waits = {} if budget or plan != memory.plan or step < 0 else waits
            under = memory.under[0].name
            waits = {one: waits.get(one, 0) + 1 for one in chance.spoilt - named if one[0] == under}
            assert max(waits.values(), default=0) < DAYS, number
            plan = memory.plan
