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
from upkeep.core.findings import Bands, Finding, Level, NotCollected, Topic
from upkeep.core.units import brief, number, utc
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
        return f"{health}, {f'version {self.version}' if self.version else 'no version told'}"

    def level(self, bands: Bands) -> Level:
        """By the guide's band of overall health; no answer is as bad as can be."""
        if self.problem:
            return Level.CRITICAL
        return Level.OK if self.health is None else bands.judge(self.health)


def inspect(sources: Sources) -> LookResult:
    """Ask every function, and after the answer compare. Raises NotCollected where there is nothing to compare with."""
    config = sources.config
    names = list(config.thresholds.latencies)
    if sources.step.startswith(_BEFORE):
        return LookResult(tuple(first(asked(sources, names))))
    with sources.ledger() as session:
        was = before(session, sources.window)
        signature = attested(session, sources.window, config.maintenance.ledger.signing)
    bands = config.thresholds.metrics["overall_health"]
    return LookResult(tuple(compared(was, asked(sources, names), bands, signature)))


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
    """What one function says; a field that it does not tell stays empty."""
    try:
        said: Mapping[str, Any] = parse_answer(function, "health_check", call(function)).result.model_dump()
    except (WireError, ContractError) as error:
        return State(problem=brief(str(error), 300))
    version = said.get("version")
    return State(
        said.get("overall_health_percent"), "" if version is None else brief(str(version), _VERSION_LENGTH), ""
    )


def before(session: Session, window: Window) -> dict[str, State]:
    """What this window's look before the question has seen. Raises NotCollected without one."""
    found = {
        str(finding.metadata["function"]): State(*(finding.metadata[name] for name in ("health", "version", "problem")))
        for step in latest_steps(session, window)
        if step["step"].startswith(_BEFORE)
        for finding in step["findings"]
        if "function" in finding.metadata
    }
    if not found:
        raise NotCollected("nothing was collected before the question, so there is nothing to compare with")
    return found


def attested(session: Session, window: Window, signing: Signing) -> Signature | None:
    """The owner's answer about the rollback in this run; None where nobody was asked."""
    stored = sheet_of_run(session, window.run, sheets.ATTEST)
    if stored is None:
        return None
    signed = sheets.signatures(stored.sheet, decisions(session, stored.digest, signing))
    return next((one for one in signed if one.item.id == TASK), None)


def first(states: Mapping[str, State]) -> Iterator[Finding]:
    """How each function does before anybody touches one; what is wrong by then is no rollback's fault."""
    for function, now in states.items():
        remedy = "Find out why before a deployment is touched: what fails afterwards must be the rollback's own."
        yield _of(function, now, Level.UNKNOWN if now.problem else Level.OK, now.words, remedy)


def compared(
    was: Mapping[str, State], states: Mapping[str, State], bands: Bands, signature: Signature | None
) -> Iterator[Finding]:
    """Each function against itself before the question, then what is known of the rollback."""
    for function, now in states.items():
        then = was.get(function, State(problem="it was not asked"))
        level, detail = now.level(bands), f"{now.words}; before the question: {then.words}"
        worse = level.rank < then.level(bands).rank
        quiet = Level.UNKNOWN if now.problem else Level.OK
        remedy = (
            f"Deploy {f'version {then.version}' if then.version else 'the version of before'} again, then look why."
        )
        yield _of(function, now, level if worse else quiet, detail, remedy)
    yield _rolled_back(was, states, signature)


def _of(function: str, now: State, level: Level, detail: str, remedy: str) -> Finding:
    topic = _TOPIC.part(function, f"Health of {function} around a rollback")
    return topic.judged(level, detail, _ANSWERS, remedy, {"function": function, **asdict(now)})


def _rolled_back(was: Mapping[str, State], states: Mapping[str, State], signature: Signature | None) -> Finding:
    expected = "the owner of the task has rolled a function back, or deployed it again, and attests it"
    if signature is None or signature.state != sheets.SIGNED or signature.at is None:
        why = "nobody was asked" if signature is None else signature.state
        detail = f"not attested ({why}): whether a deployment can be rolled back is not known"
        remedy = "Roll a function back in the next monthly window, and attest it; Upkeep deploys nothing."
        return _TOPIC.finding(Level.UNKNOWN, detail, expected, remedy)
    detail = f"attested by {signature.person}, {utc(signature.at)}; {_versions(was, states)}"
    return _TOPIC.finding(Level.OK, detail, expected)


def _versions(was: Mapping[str, State], states: Mapping[str, State]) -> str:
    told = [name for name, now in states.items() if now.version and was.get(name, State()).version]
    moved = [
        f"{name} is at version {states[name].version}, was at {was[name].version}"
        for name in told
        if states[name].version != was[name].version
    ]
    if moved:
        return "; ".join(moved)
    if told:
        return "each is at the version of before: which one was rolled back and forth in between is the owner's word"
    return "no function tells its version: which one was rolled back is the owner's word"


def _described(config: Settings, _: str) -> str:
    return f"POST health_check to {', '.join(config.thresholds.latencies)}"


INSPECTIONS = (Inspection("function_health", "health_check of each function", _described, inspect),)
