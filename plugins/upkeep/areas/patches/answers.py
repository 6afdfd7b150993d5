"""What npm's JSON says. Pure. The exit code is not asked: 1 is "vulnerable" as well as "could not look"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from upkeep.areas.patches.base import MAX_SAID, NotRun, as_object
from upkeep.areas.patches.files import Files

SEVERITIES = ("critical", "high", "moderate", "low", "info")

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(.*)")


@dataclass(frozen=True)
class Vulnerability:
    """One package with an advisory. ``fix`` is what would mend it, in npm's terms; empty when nothing is published."""

    package: str
    severity: str
    direct: bool
    range: str
    titles: tuple[str, ...]
    fix: str


@dataclass(frozen=True)
class NpmAudit:
    """What ``npm audit`` found, the worst first, and how many packages it looked at."""

    vulnerabilities: tuple[Vulnerability, ...]
    packages: int


@dataclass(frozen=True)
class Outdated:
    """One direct dependency with a newer version; ``wanted`` is the newest that package.json allows."""

    package: str
    current: str
    wanted: str
    latest: str

    @property
    def lag(self) -> str:
        """How far behind: major, minor, patch; other when a version cannot be read."""
        here, there = _VERSION.fullmatch(self.current), _VERSION.fullmatch(self.latest)
        if not here or not there:
            return "other"
        parts = zip(("major", "minor", "patch"), here.groups(), there.groups(), strict=False)
        return next((name for name, old, new in parts if old != new), "other")


@dataclass(frozen=True)
class Versions:
    """What ``npm outdated`` found, and the direct dependencies of which it said nothing."""

    outdated: tuple[Outdated, ...]
    unseen: tuple[str, ...]


def read_audit(output: str) -> NpmAudit:
    """What ``npm audit --json`` said. Raises NotRun unless it says that it has looked."""
    said = _answer("npm audit", output)
    found, metadata = said.get("vulnerabilities"), said.get("metadata")
    counts = metadata.get("vulnerabilities") if isinstance(metadata, dict) else None
    looked_at = metadata.get("dependencies") if isinstance(metadata, dict) else None
    if not isinstance(found, dict) or not isinstance(counts, dict) or not isinstance(looked_at, dict):
        raise NotRun("npm audit: found JSON without vulnerabilities and their counts, expected both")
    if counts.get("total") != len(found):
        raise NotRun(f"npm audit: found {len(found)} vulnerabilities, but a count of {counts.get('total')!r}")
    vulnerabilities = [_vulnerability(name, entry) for name, entry in found.items()]
    ranked = sorted(vulnerabilities, key=lambda one: (SEVERITIES.index(one.severity), one.package))
    total = looked_at.get("total")
    if not isinstance(total, int) or isinstance(total, bool) or not (total or ranked):
        raise NotRun(f"npm audit: found {total!r} packages that it looked at, expected one or more")
    return NpmAudit(tuple(ranked), total)


def _answer(what: str, output: str) -> dict[str, Any]:
    """npm's JSON. Raises NotRun for its error, which has one of two shapes."""
    said = as_object(what, output)
    error = said.get("error")
    # `npm outdated` of a package that is called "error" has that key too, with its versions below it.
    if isinstance(error, dict) and "latest" not in error:
        words = [str(said.get("message") or ""), str(error.get("summary") or ""), str(error.get("detail") or "")]
        status = f"status {said['statusCode']}" if "statusCode" in said else str(error.get("code") or "")
        reason = "; ".join(word for word in (status, *words) if word) or "an error without words"
        raise NotRun(f"{what}: {reason[:MAX_SAID]}")
    return said


def _vulnerability(name: str, entry: Any) -> Vulnerability:
    if not isinstance(entry, dict) or entry.get("severity") not in SEVERITIES:
        raise NotRun(f"npm audit: found no known severity of {name[:100]!r}, expected one of {list(SEVERITIES)}")
    via = entry.get("via")
    causes = via if isinstance(via, list) else []
    titles = [
        (str(cause.get("title")) if isinstance(cause, dict) else f"through {cause}")[:MAX_SAID] for cause in causes
    ]
    fix = entry.get("fixAvailable")
    mended = f"{fix.get('name')} {fix.get('version')}" if isinstance(fix, dict) else "npm audit fix" if fix else ""
    return Vulnerability(
        name, entry["severity"], bool(entry.get("isDirect")), str(entry.get("range"))[:MAX_SAID], tuple(titles), mended
    )


def read_outdated(output: str, files: Files) -> Versions:
    """What ``npm outdated --json`` said, the furthest behind first. Raises NotRun.

    Nothing is installed in the copy, so npm names every direct dependency and no current version: the lock's is taken,
    and what is at its latest is left out. One that it does not name was not looked at: npm passes over in silence what
    the registry does not know (404), refuses (403), or has in no version that package.json allows.
    """
    found, named = [], set()
    for key, said in _answer("npm outdated", output).items():
        name = key.partition(":")[0]  # an alias is told as its name, a colon and what it stands for
        named.add(name)
        entry = said[0] if isinstance(said, list) and said else said
        if not isinstance(entry, dict) or not isinstance(entry.get("latest"), str):
            raise NotRun(f"npm outdated: found no latest version of {name[:100]!r}")
        current = str(entry.get("current") or files.locked.get(name) or "")
        if current != entry["latest"]:
            found.append(Outdated(name, current, str(entry.get("wanted") or ""), entry["latest"]))
    order = ("major", "other", "minor", "patch")
    ranked = sorted(found, key=lambda one: (order.index(one.lag), one.package))
    return Versions(tuple(ranked), tuple(sorted(set(files.direct) - named)))
