"""The tables of docs/what-ok-means.md: every look, where it is, and what its ok says."""

from __future__ import annotations

from collections import Counter

from upkeep.settings.base import ROOT

CHECKS, ANSWERS, INSPECTIONS = "The target's database", "The functions' answers", "Everything else"

_TEXT = (ROOT / "docs/what-ok-means.md").read_text(encoding="utf-8")


def rows(title: str) -> dict[str, list[str]]:
    """Name → the other cells of the table under a heading."""
    part = _TEXT.split(f"## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    names = [name.strip("`") for name, *_ in cells]
    assert len(names) == len(set(names))
    return {name: rest for name, (_, *rest) in zip(names, cells, strict=True)}


def places(title: str) -> dict[str, Counter[str]]:
    """Name → in which window's group it is, such as "daily security", and how many times."""
    found: dict[str, Counter[str]] = {}
    for name, (where, *_) in rows(title).items():
        found[name] = Counter()
        for place in where.split(", "):
            group, _, twice = place.partition(" (")
            assert twice in ("", "twice)"), (name, place)
            found[name][group] += 2 if twice else 1
    return found
