"""The weekly look at npm's packages: known vulnerabilities (G73), newer versions (G74)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from upkeep.areas.look import Inspection, Sources
from upkeep.areas.patches.answers import SEVERITIES, Outdated, Vulnerability, read_audit, read_outdated
from upkeep.areas.patches.base import MANIFEST, NotRun
from upkeep.areas.patches.files import Files, read_files
from upkeep.areas.patches.run import Npm
from upkeep.core.findings import Finding, Level, NotCollected, Sample, Topic
from upkeep.core.units import listed
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings

#: Packages that one look shows, each as a finding of its own.
SHOWN = 50
#: Packages and advisories that a finding names.
NAMED = 5

_BAD = ("critical", "high")
_AUDIT, _OUTDATED = Topic("npm:audit", "npm audit", "G73"), Topic("npm:outdated", "npm outdated", "G74")
_LOCK = Topic("npm:lock", "package-lock.json", "G73")


def audit(npm: Npm) -> LookResult:
    """Packages with a known vulnerability; UNKNOWN, with the reason, when the audit did not run."""
    try:
        files = read_files(npm.config.folder)
        found = read_audit(npm.run(files, "audit"))
    except NotRun as reason:
        return LookResult((_not_run(_AUDIT, reason),))
    counts = Counter(one.severity for one in found.vulnerabilities)
    samples = tuple(
        Sample("npm_vulnerabilities", float(counts[severity]), "packages", severity) for severity in SEVERITIES
    )
    findings = [_vulnerable(one) for one in found.vulnerabilities[:SHOWN]] or [_clean(found.packages)]
    if rest := found.vulnerabilities[SHOWN:]:
        worst = Level.WARNING if rest[0].severity in _BAD else Level.ADVISORY
        findings.append(_more(_AUDIT.part("more", "Vulnerable packages beyond those shown"), len(rest), worst))
    return LookResult((*findings, *_of_lock(files)), samples)


def _vulnerable(one: Vulnerability) -> Finding:
    titles = listed(one.titles, NAMED, "; ") or "no title"
    mend = f"{one.fix} fixes it" if one.fix else "No version that fixes it is published: replace or shield it"
    return _AUDIT.part(one.package, f"npm package {one.package}").finding(
        Level.WARNING if one.severity in _BAD else Level.ADVISORY,
        f"{one.severity}: {titles}; versions {one.range}",
        "no known vulnerability",
        f"{mend}; in the checkout, with its tests." + ("" if one.direct else " Another package brings it in."),
        {"severity": one.severity, "direct": one.direct, "fix": one.fix},
    )


def _clean(packages: int) -> Finding:
    said = f"none of {packages} packages has a known vulnerability"
    return _AUDIT.finding(Level.OK, said, "no known vulnerability")


def _of_lock(files: Files) -> Iterator[Finding]:
    """What the audit could not see, so that "clean" is not taken for more than it is."""
    if files.missing:
        remedy = "npm install --package-lock-only, then commit the lock: these were not audited."
        topic = _LOCK.part("missing", "Dependencies that package-lock.json lacks")
        yield _unseen(topic, Level.WARNING, files.missing, remedy)
    if files.foreign:
        remedy = "Follow their own advisories: no registry knows these (git, file or URL)."
        topic = _LOCK.part("foreign", "Packages from elsewhere than the registry")
        yield _unseen(topic, Level.ADVISORY, files.foreign, remedy)


def _unseen(topic: Topic, level: Level, names: tuple[str, ...], remedy: str) -> Finding:
    said = listed([name[:100] for name in names], NAMED)
    return topic.finding(level, f"{len(names)}: {said}", "none", remedy)


def outdated(npm: Npm) -> LookResult:
    """Direct dependencies with a newer version; UNKNOWN, with the reason, when npm could not say."""
    try:
        files = read_files(npm.config.folder)
        if not files.direct:
            raise NotRun(f"{MANIFEST}: found no dependency from a registry, expected one or more")
        found = read_outdated(npm.run(files, "outdated"), files)
    except NotRun as reason:
        return LookResult((_not_run(_OUTDATED, reason),))
    lags = Counter(one.lag for one in found.outdated)
    samples = tuple(
        Sample("npm_outdated", float(lags[lag]), "packages", lag) for lag in ("major", "minor", "patch", "other")
    )
    findings = [_behind(one) for one in found.outdated[:SHOWN]]
    if rest := found.outdated[SHOWN:]:
        topic = _OUTDATED.part("more", "Outdated packages beyond those shown")
        findings.append(_more(topic, len(rest), Level.ADVISORY))
    if found.unseen:
        findings.append(_not_named(found.unseen))
    return LookResult(tuple(findings) or (_current(len(files.direct)),), samples)


def _not_named(names: tuple[str, ...]) -> Finding:
    remedy = (
        "The registry does not know these, refuses them, or has no version that package.json allows: see "
        "targets.<target>.checkout.registry in config/maintenance.yaml, and npm outdated in the checkout."
    )
    topic = _OUTDATED.part("unseen", "Dependencies of which npm outdated said nothing")
    return _unseen(topic, Level.UNKNOWN, names, remedy)


def _behind(one: Outdated) -> Finding:
    allowed = one.wanted == one.latest
    return _OUTDATED.part(one.package, f"npm package {one.package}").finding(
        Level.ADVISORY,
        f"{one.current or 'not in the lock'}, the latest is {one.latest} ({one.lag})",
        "the latest version",
        "npm update, in the checkout, with its tests."
        if allowed
        else f"package.json allows {one.wanted or 'none'}: read the changes of {one.latest}, then raise it there.",
        {"current": one.current, "wanted": one.wanted, "latest": one.latest, "lag": one.lag},
    )


def _current(packages: int) -> Finding:
    said = f"all of {packages} direct dependencies are at their latest version"
    return _OUTDATED.finding(Level.OK, said, "the latest version")


def _more(topic: Topic, count: int, level: Level) -> Finding:
    remedy = "Fix those that are shown first; npm in the checkout lists all."
    return topic.finding(level, f"{count} more; the worst {SHOWN} are shown", "none", remedy)


def _not_run(topic: Topic, reason: NotRun) -> Finding:
    return topic.finding(
        Level.UNKNOWN,
        f"not collected: {reason}",
        "npm's answer as JSON",
        "See targets.<target>.checkout in config/maintenance.yaml: the folder, the registry, npm. "
        "Until it runs, nothing is known of these packages.",
    )


def _inspect(look: Callable[[Npm], LookResult], sources: Sources) -> LookResult:
    setting = f"config/maintenance.yaml: targets.{sources.target}.checkout"
    checkout = sources.config.target(sources.target).checkout
    if checkout is None:
        raise NotCollected(f"no checkout is configured ({setting}); nothing is known of its npm packages")
    npm = Npm(checkout)
    if npm.program is None:
        raise NotCollected(f"found no program {checkout.npm!r} ({setting}.npm)")
    sources.ending.append(npm.kill)  # a task that is ended ends npm and what it started
    return look(npm)


def _described(command: str, config: Settings, target: str) -> str:
    checkout = config.target(target).checkout
    return f"npm {command} on " + (str(checkout.folder) if checkout else "no checkout: none is configured")


INSPECTIONS = tuple(
    Inspection(f"npm_{command}", f"npm {command}", partial(_described, command), partial(_inspect, look))
    for command, look in (("audit", audit), ("outdated", outdated))
)
