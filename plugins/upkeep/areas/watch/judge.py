"""What one poll of a target says: the six metrics and each function's response time, judged (G31-G43, X12). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from upkeep.areas.metrics import metrics as judged_metrics
from upkeep.core.findings import Expectation, Finding, Level, Topic, worst
from upkeep.core.stories import Seen
from upkeep.settings.load import Settings
from upkeep.wires.functions.contract import ContractError, parse_answer

#: A function and its action.
Asked = tuple[str, str]
HEALTH = "health_check"


@dataclass(frozen=True)
class Heard:
    """What came of one call: a body and its milliseconds, or why not."""

    body: bytes = b""
    milliseconds: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class Poll:
    """One sample: what was seen, the numbers in it, milliseconds by function (None: no answer)."""

    seen: tuple[Seen, ...]
    metrics: Mapping[str, float]
    latencies: Mapping[str, float | None]

    @property
    def level(self) -> Level:
        """The worst that it holds."""
        return worst([one.finding.level for one in self.seen])


def calls(config: Settings) -> tuple[Asked, ...]:
    """What a poll asks: the health of each function, and where config says that the metrics are."""
    health = ((function, HEALTH) for function in config.thresholds.latencies)
    metrics = ((source.function, source.action) for source in config.maintenance.metrics.values())
    return tuple(dict.fromkeys((*health, *metrics)))


def judge(heard: Mapping[Asked, Heard], config: Settings, limits: Mapping[str, Expectation]) -> Poll:
    """Each metric and each response time is there, also when nothing was heard: no data is a state of its own.

    ``limits`` are what is expected of functions with a baseline in force; the others are judged by the guide.
    """
    seen: list[Seen] = []
    metrics: dict[str, float] = {}
    latencies: dict[str, float | None] = {}
    for (function, action), one in heard.items():
        problem = one.problem
        body: Mapping[str, object] = {}
        if not problem:
            try:
                body = parse_answer(function, action, one.body).model_dump(mode="json")
            except ContractError as error:
                problem = str(error)
        if action == HEALTH and function in config.thresholds.latencies:
            latencies[function] = None if problem else one.milliseconds
            expected = limits.get(function, config.thresholds.latencies[function])
            seen.append(Seen(_latency(function, one.milliseconds, problem, expected), f"{function} {action}"))
        looked = judged_metrics(function, action, body, config)
        metrics |= {sample.metric: sample.value for sample in looked.samples}
        seen += [Seen(finding, f"{function} {action}") for finding in _told(looked.findings, problem)]
    return Poll(tuple(seen), metrics, latencies)


def _latency(function: str, milliseconds: float, problem: str, expectation: Expectation) -> Finding:
    return Topic(f"latency:{function}", f"Response time of {function}", expectation.guide).judged(
        Level.UNKNOWN if problem else expectation.judge(milliseconds),
        problem or f"{milliseconds:.0f} ms",
        f"{expectation.words}, from this client",
        "Compare with the other functions: all slow is the network or the platform, one slow is that function.",
    )


def _told(findings: tuple[Finding, ...], problem: str) -> Iterator[Finding]:
    """The metrics' findings; where there was no answer its reason is theirs."""
    for finding in findings:
        topic = Topic(finding.key, finding.subject, finding.guide)
        yield topic.finding(Level.UNKNOWN, problem, finding.expected, finding.remedy) if problem else finding
