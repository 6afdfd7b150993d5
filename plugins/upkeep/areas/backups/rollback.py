"""Health and version of each function, before a person rolls one back and after their answer (G104).

Upkeep deploys nothing: the owner of the monthly task rolls a function back or deploys it again, and attests that. What
can be seen of it from outside is looked at twice, by the same ``health_check`` that every window asks, and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from upkeep.areas.look import Inspection, Sources
from upkeep.areas.thresholds.force import in_force
from upkeep.core.findings import Bands, Finding, Level, NotCollected, Topic
from upkeep.core.units import brief, number, utc, visible
from upkeep.core.windows import Window
from upkeep.gate import sheets
from upkeep.gate.decision_store import decisions
from upkeep.gate.plan_store import sheet_of_run
from upkeep.gate.sheets import Signature
from upkeep.ledger.read import latest_steps
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.settings.signing import Signing
from upkeep.wires.database import Session
from upkeep.wires.functions.contract import ContractError, parse_answer, request_body
from upkeep.wires.functions.transport import Call, WireError, post

#: The monthly task whose owner attests, as `monthly.tasks` calls it.
TASK = "rollback"
#: How the id of the step before the question begins; the one after it has another group, and the same name.
_BEFORE = f"evidence.{TASK}."
_TOPIC = Topic("rollback", "Rollback of a function's deployment", "G104")
_ANSWERS = "it answers health_check"
_ANEW = "what is called before was collected anew after the question, when a function may have been rolled back already"
_NEW_RUN = "Start a new run of the monthly window."
#: Characters of a version that are shown; all of it is compared.
_VERSION_LENGTH = 60


@dataclass(frozen=True)
class State:
    """What a function says of itself: its health in per cent and its version, where it tells them.

    ``problem`` says why it did not answer.
    """

    health: float | None = None
    version: str = ""
    problem: str = ""

    @property
    def words(self) -> str:
        if self.problem:
            return f"no answer: {self.problem}"
        health = "healthy as far as it says" if self.health is None else f"health {number(self.health)} %"
        return f"{health}, {f'version {_short(self.version)}' if self.version else 'no version told'}"

    def level(self, bands: Bands) -> Level:
        """By the guide's band of overall health; no answer is as bad as can be, what no band holds is UNKNOWN."""
        if self.problem:
            return Level.CRITICAL
        return Level.OK if self.health is None else bands.judge(self.health)


@dataclass(frozen=True)
class Question:
    """Each function before the owner was asked, and their answer; None where nobody was asked.

    ``anew``: what is called before was collected after the question, when a function may have been rolled back already.
    """

    was: Mapping[str, State]
    signature: Signature | None = None
    anew: bool = False

    @property
    def attested(self) -> bool:
        return self.signature is not None and self.signature.state == sheets.SIGNED


def inspect(sources: Sources) -> LookResult:
    """Ask every function, and after the answer compare. Raises NotCollected where there is nothing to compare with."""
    config, window = sources.config, sources.window
    with sources.ledger() as session:
        bands = in_force(session, config.thresholds, window.target).thresholds.metrics["overall_health"]
        about = None
        if not sources.step.startswith(_BEFORE):
            about = question(session, window, config.maintenance.ledger.signing)
    states = asked(sources, list(config.thresholds.latencies))
    return LookResult(tuple(compared(about, states, bands) if about else first(states, bands)))


def asked(sources: Sources, names: list[str]) -> dict[str, State]:
    """Each function's answer to ``health_check``, all side by side."""
    connection_id = sources.config.target(sources.target).connections.functions
    send, key = sources.functions(connection_id)

    def call(function: str) -> bytes:
        body = request_body(function, "health_check", period=None)
        return post(send, Call(function, body, connection_id), key, sources.config.maintenance.http)

    with ThreadPoolExecutor(max_workers=len(names)) as pool:
        return dict(zip(names, pool.map(lambda name: state(name, call), names), strict=True))


def state(function: str, call: Callable[[str], bytes]) -> State:
    """What one function says; a field that it does not tell stays empty, as does a version of another type."""
    try:
        said: Mapping[str, Any] = parse_answer(function, "health_check", call(function)).result.model_dump()
    except (WireError, ContractError) as error:
        return State(problem=brief(str(error), 300))
    version = said.get("version")
    told = isinstance(version, str | int) and not isinstance(version, bool)
    return State(said.get("overall_health_percent"), visible(str(version).strip()) if told else "")


def question(session: Session, window: Window, signing: Signing) -> Question:
    """The window's look before the owner was asked, and their answer. Raises NotCollected without such a look."""
    steps = [step for step in latest_steps(session, window) if step["step"].startswith(_BEFORE)]
    was = {
        str(finding.metadata["function"]): State(*(finding.metadata[name] for name in ("health", "version", "problem")))
        for step in steps
        for finding in step["findings"]
        if "function" in finding.metadata
    }
    if not was:
        raise NotCollected("nothing was collected before the question, so there is nothing to compare with")
    stored = sheet_of_run(session, window.run, sheets.ATTEST)
    if stored is None:
        return Question(was)
    signed = sheets.signatures(stored.sheet, decisions(session, stored.digest, signing))
    signature = next((one for one in signed if one.item.id == TASK), None)
    return Question(was, signature, anew=any(step["ended_at"] > stored.drawn_up_at for step in steps))


def first(states: Mapping[str, State], bands: Bands) -> Iterator[Finding]:
    """How each function does before anybody touches one; what is wrong by then is no rollback's fault."""
    for function, now in states.items():
        unclear = now.problem or now.level(bands) is Level.UNKNOWN
        remedy = "Find out why before a deployment is touched: what fails afterwards must be the rollback's own."
        yield _of(function, now, Level.UNKNOWN if unclear else Level.OK, now.words, remedy)


def compared(about: Question, states: Mapping[str, State], bands: Bands) -> Iterator[Finding]:
    """Each function against itself before the question, then what is known of the rollback."""
    for function, now in states.items():
        then = about.was.get(function)
        if about.anew or then is None:
            detail = f"{now.words}; not comparable: {_ANEW if about.anew else 'it was not asked before the question'}"
            yield _of(function, now, Level.UNKNOWN, detail, _NEW_RUN)
            continue
        level, detail = _level(then, now, bands), f"{now.words}; before the question: {then.words}"
        if level is Level.UNKNOWN and not now.problem:
            detail = f"not comparable: {detail}"
        remedy = "Look why; its deployment is not known to have changed."
        if about.attested and (now.version != then.version or not now.version):
            version = f"version {_short(then.version)}" if then.version else "the version of before"
            remedy = f"Deploy {version} again, then look why."
        yield _of(function, now, level, detail, remedy)
    yield _rolled_back(about, states)


def _level(then: State, now: State, bands: Bands) -> Level:
    """How bad what is worse than before is; UNKNOWN where the two cannot be compared."""
    level, before = now.level(bands), then.level(bands)
    if then.problem:
        return level if level is Level.OK else Level.UNKNOWN
    if now.problem:
        return level
    if (now.health is None) != (then.health is None) or Level.UNKNOWN in (level, before):
        return Level.UNKNOWN
    return level if level.rank < before.rank else Level.OK


def _of(function: str, now: State, level: Level, detail: str, remedy: str) -> Finding:
    topic = _TOPIC.part(function, f"Health of {function} around a rollback")
    return topic.judged(level, detail, _ANSWERS, remedy, {"function": function, **asdict(now)})


def _rolled_back(about: Question, states: Mapping[str, State]) -> Finding:
    expected = "the owner of the task has rolled a function back, or deployed it again, and attests it"
    signature = about.signature
    if signature is None or signature.state != sheets.SIGNED or signature.at is None:
        why = "nobody was asked" if signature is None else signature.state
        detail = f"not attested ({why}): whether a deployment can be rolled back is not known"
        remedy = "Roll a function back in the next monthly window, and attest it; Upkeep deploys nothing."
        return _TOPIC.finding(Level.UNKNOWN, detail, expected, remedy)
    detail = f"attested by {signature.person}, {utc(signature.at)}"
    if about.anew:
        return _TOPIC.finding(Level.UNKNOWN, f"{detail}; {_ANEW}", expected, _NEW_RUN)
    return _TOPIC.finding(Level.OK, f"{detail}; {_versions(about.was, states)}", expected)


def _versions(was: Mapping[str, State], states: Mapping[str, State]) -> str:
    """What the functions' versions say of the rollback: which moved, else how many have told one."""
    told = {name: (was.get(name, State()).version, now.version) for name, now in states.items()}
    told = {name: versions for name, versions in told.items() if any(versions)}
    moved = [_moved(name, *versions) for name, versions in told.items() if versions[0] != versions[1]]
    if moved:
        return "; ".join(moved)
    if told:
        some = f"of {len(told)} of {len(states)} functions that tell a version, none moved"
        return f"{some}: which one was rolled back and forth in between is the owner's word"
    return "no function tells its version: which one was rolled back is the owner's word"


def _moved(function: str, then: str, now: str) -> str:
    if not then or not now:
        return f"{function} told {_short(then) or 'no version'}, tells {_short(now) or 'none'} now"
    return f"{function} is at version {_short(now)}, was at {_short(then)}"


def _short(version: str) -> str:
    return brief(version, _VERSION_LENGTH)


def _described(config: Settings, _: str) -> str:
    return f"POST health_check to {', '.join(config.thresholds.latencies)}"


INSPECTIONS = (Inspection("function_health", "health_check of each function", _described, inspect),)
