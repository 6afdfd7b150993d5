"""What DAG files write: ``call``, ``check`` and the ends of a window, bound to one target and cadence."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, Param, get_parsing_context
from airflow.sdk.definitions.param import ParamsDict

from upkeep.areas.kinds import NAMES, with_roles
from upkeep.core.windows import When
from upkeep.flow.alerts import NEWS
from upkeep.flow.apply import ApplyOperator, WaitForWindow
from upkeep.flow.approval import ManualApprovalSensor
from upkeep.flow.ends import OpenWindowOperator, ReportOperator, VerdictOperator
from upkeep.flow.operators import CallOperator, CheckOperator, LookOperator
from upkeep.flow.plan import PlanOperator
from upkeep.flow.sheets import SealOperator, SignatureSensor, SignOffOperator, SignOnOperator
from upkeep.flow.step import Step
from upkeep.gate import sheets
from upkeep.settings.base import ConfigError
from upkeep.settings.load import dag_name, settings
from upkeep.settings.values import is_web

#: A step that dies (its worker is killed, the ledger is away) is tried once more; one that has an answer is not.
DEFAULTS: dict[str, Any] = {
    "owner": "DevOps Engineer",
    "retries": 1,
    "retry_delay": timedelta(seconds=10),
    "execution_timeout": timedelta(minutes=5),
}


#: What a step needs beside the look that has a clock of its own: the ledger, reading files, writing what was seen.
BESIDE = timedelta(minutes=1)
#: The same beside npm's own time: npm is ended by its own limit, whose reason is then in the report.
NPM_BESIDE = timedelta(minutes=2)
#: For reading again every archive by which rows are to be deleted: some 200,000 rows a second.
ARCHIVES = timedelta(minutes=30)
#: Seconds in which response times are taken; a call that has begun by then may take its own patience still.
LATENCY_SECONDS = 180.0
#: Seconds in which links to the web are tried.
LINK_SECONDS = 120.0
#: One slot: mutations queue politely; the advisory lock in the target is the truth (X9).
POOL = "upkeep_mutations"


def targets_of(name: str) -> tuple[str, ...]:
    """The targets whose DAG of this name is built: all, or in a task's process the one that the task is of.

    Airflow parses the whole file for each task, and says which DAG it needs; of one that is not there all are built.
    """
    targets, needed = settings().targets, get_parsing_context().dag_id
    return tuple(target for target in targets if dag_name(name, target, targets) == needed) or targets


class Flow:
    """The vocabulary of one DAG: every task made by it belongs to this target and cadence.

    Raises ConfigError, which fails the parse, unless config says who approves each kind of action.
    """

    def __init__(self, target: str, cadence: str) -> None:
        with_roles(settings().maintenance)
        self.bound: dict[str, Any] = {"target": target, "cadence": cadence}
        self.called: set[tuple[str, str]] = set()

    def runbook(self, text: str) -> str:
        """A DAG file's docstring as Airflow shows it: below its heading, when this target's window is due."""
        target, name = self.bound["target"], self.bound["cadence"]
        cadence = settings().maintenance.cadences(target)[name]
        own = f"targets.{target}." if name in settings().target(target).windows else ""
        heading, _, rest = text.strip().partition("\n")
        due = f"`{cadence.cron}` in UTC, open for {cadence.length_minutes} minutes (`{own}windows.{name}`)"
        return f"{heading}\n\n**Due** {due}\n{rest}"

    def call(self, function: str, action: str, *, guide: str, name: str = "", **arguments: Any) -> Step:
        """A call of one action of one function, over the target's functions Connection.

        ``name`` is the task's, where one action is called twice; its default is the action.
        """
        self.called.add((function, action))
        return _owned(
            CallOperator(
                task_id=name or action, function=function, action=action, guide=guide, arguments=arguments, **self.bound
            )
        )

    def check(self, path: str, *, guide: str, **task: Any) -> Step:
        """One SQL check, over the target's read Connection; its path is that of its SQL below ``include/sql``."""
        return _owned(CheckOperator(task_id=path.rpartition("/")[2], check=path, guide=guide, **self.bound, **task))

    def look(self, inspection: str, *, guide: str, **task: Any) -> Step:
        """An inspection of an area: files, programs, the ledger's history (``areas/registry.py``)."""
        return _owned(LookOperator(task_id=inspection, inspection=inspection, guide=guide, **self.bound, **task))

    def latencies(self) -> Step:
        """Response times of all functions from the client, over the target's functions Connection (G38-G43)."""
        clock = timedelta(seconds=LATENCY_SECONDS + settings().maintenance.http.total_timeout_seconds) + BESIDE
        return self.look("function_latencies", guide="G38", seconds=LATENCY_SECONDS, execution_timeout=clock)

    def backups(self) -> Step:
        """The newest backup: there, complete, young, its checksums right (G99, G100)."""
        target = settings().target(self.bound["target"])
        seconds = sum(kind.verify_timeout_seconds for kind in target.kept().values())
        seconds += settings().maintenance.http.total_timeout_seconds if target.managed_backups else 0
        clock = timedelta(seconds=seconds) + BESIDE if seconds else DEFAULTS["execution_timeout"]
        return self.look("newest_backup", guide="G99", execution_timeout=clock)

    def canary(self) -> Step:
        """A row that the monthly drill looks for in its copy; where none is configured that is said (G102)."""
        return self.look("canary", guide="G102")

    def retention(self, **task: Any) -> Step:
        """What of the logs is due, archived, deleted; archives to be deleted by are read again (G15, G61-G68)."""
        return self.look("retention", guide="G15", execution_timeout=ARCHIVES, **task)

    def restoration(self) -> Step:
        """The newest backup, restored in a scratch folder and compared with what was recorded (G101)."""
        clock = self._restoring(recoveries=2, trials=1) + self._restoring_dumps()
        return self.look("restoration", guide="G101", execution_timeout=clock)

    def drill(self) -> Step:
        """Recovery to a moment, past it and to the end, with the times that it took (G25, G102, G103, G105)."""
        return self.look("drill", guide="G25", execution_timeout=self._restoring(recoveries=3))

    def rollback(self, **task: Any) -> Step:
        """Health and version of each function: before its owner is asked about a rollback, and after (G104)."""
        return self.look("function_health", guide="G104", **task)

    def _restoring(self, *, recoveries: int, trials: int = 0) -> timedelta:
        """Each recovery has the time of config, and so have copying, looking, and all trials of indexes."""
        config = settings().target(self.bound["target"]).backups
        seconds = config.restore.timeout_seconds if config and config.restore else 0
        return timedelta(seconds=(recoveries + 2 + trials) * seconds) + BESIDE

    def _restoring_dumps(self) -> timedelta:
        """An empty server, pg_restore, looking, and all trials of indexes have the time of config each."""
        config = settings().target(self.bound["target"]).dumps
        return timedelta(seconds=4 * config.restore.timeout_seconds if config and config.restore else 0)

    def patches(self) -> list[Step]:
        """What npm knows of the checkout's packages: vulnerabilities (G73), newer versions (G74); in a group patches.

        The group's and the first step's name are those that the daily ``scan_age`` looks for.
        """
        checkout = settings().target(self.bound["target"]).checkout
        patience = NPM_BESIDE + timedelta(seconds=checkout.timeout_seconds if checkout else 0)
        return [
            self.look(f"npm_{command}", guide=guide, execution_timeout=patience)
            for command, guide in (("audit", "G73"), ("outdated", "G74"))
        ]

    def integrations(self) -> Step:
        """Every Connection and third party that config names, reached once and changing nothing (G29)."""
        clock = timedelta(seconds=2 * settings().maintenance.http.total_timeout_seconds) + BESIDE
        return self.look("integrations", guide="G29", execution_timeout=clock)

    def documents(self) -> Step:
        """The guide and its runbooks: age, owner, links; and which items of the guide had no result (G28, G138)."""
        config = settings().maintenance
        fetched = sum(is_web(document.path) for document in config.documents.reviewed)
        clock = timedelta(seconds=LINK_SECONDS + fetched * config.http.total_timeout_seconds) + BESIDE
        return self.look("documents", guide="G138", seconds=LINK_SECONDS, execution_timeout=clock)

    def sign_on(self) -> list[BaseOperator]:
        """The roles that must be there before anything is changed: whether they can be, then each is asked (G23)."""
        sheet = SignOnOperator(task_id="quorum", guide="G23", **self.bound)
        asked = self._asked(sheets.SIGN_ON, settings().maintenance.monthly.sign_on)
        sheet >> asked
        return [sheet, *asked]

    def attestations(self) -> list[BaseOperator]:
        """The evidence of each task sealed by its digest, then its owners are asked to attest it (G24-G30)."""
        seal = SealOperator(task_id="seal", guide="G23", trigger_rule="all_done", **self.bound)
        asked = self._asked(sheets.ATTEST, settings().maintenance.monthly.tasks.values())
        seal >> asked
        return [seal, *asked]

    def sign_off(self) -> list[BaseOperator]:
        """What closes the window, put before the one role that answers for all of it, then the page with their name."""
        sheet = SignOffOperator(task_id="sheet", guide="G23", after_apply=True, **self.bound)
        (asked,) = self._asked(sheets.SIGN_OFF, [settings().maintenance.monthly.sign_off])
        page = ReportOperator(task_id="signed_report", trigger_rule="all_done", outlets=[NEWS], **self.bound)
        sheet >> asked >> page
        return [sheet, asked, page]

    def _asked(self, purpose: str, roles: Iterable[str]) -> list[SignatureSensor]:
        titles = settings().maintenance.roles
        return [
            SignatureSensor(
                task_id=role,
                role=role,
                purpose=purpose,
                owner=titles[role].title,
                trigger_rule="all_done",
                **self.bound,
            )
            for role in sorted(set(roles))
        ]

    def plan(self) -> Step:
        """What this run would change, as data; one plan per run (G52, G59)."""
        clock = ARCHIVES + DEFAULTS["execution_timeout"]
        return PlanOperator(task_id="plan", guide="G52", trigger_rule="all_done", execution_timeout=clock, **self.bound)

    def approvals(self) -> list[ManualApprovalSensor]:
        """A question to each role that config can require, side by side."""
        roles = sorted({role for kind in NAMES for role in settings().maintenance.approval.roles_of(kind)})
        titles = settings().maintenance.roles
        return [
            ManualApprovalSensor(
                task_id=role, role=role, owner=titles[role].title, trigger_rule="all_done", **self.bound
            )
            for role in roles
        ]

    def wait_for_window(self) -> WaitForWindow:
        """Until the plan's time begins, at no slot."""
        return WaitForWindow(task_id="wait_for_window", target=self.bound["target"], trigger_rule="all_done")

    def apply(self) -> Step:
        """The only task that changes the target; never retried by Airflow: the permit decides."""
        return ApplyOperator(task_id="apply", guide="G59", trigger_rule="all_done", retries=0, pool=POOL, **self.bound)

    def open_window(self) -> OpenWindowOperator:
        """The first task of every run."""
        return OpenWindowOperator(task_id="open_window", **self.bound)

    def report(self) -> ReportOperator:
        """Runs whatever became of the steps: a branch that fails is a finding, not a missing report.

        Raises ConfigError, which fails the parse, when config looks for a metric in an answer that is never asked for:
        such a metric would be missing in every report without a word.
        """
        if self.bound["cadence"] == "daily":
            self._metrics_are_asked_for()
        return ReportOperator(task_id="report", trigger_rule="all_done", outlets=[NEWS], **self.bound)

    def _metrics_are_asked_for(self) -> None:
        config = settings().maintenance
        for section, sources in (("metrics", config.metrics), ("expectations", config.expectations)):
            for name, source in sources.items():
                if (source.function, source.action) not in self.called:
                    known = ", ".join(sorted(" ".join(call) for call in self.called))
                    raise ConfigError(
                        f"config/maintenance.yaml: {section}.{name}: found {source.function} {source.action}, "
                        f"expected a call that this window makes: {known}"
                    )

    def verdict(self) -> VerdictOperator:
        """Judges the report; never retried, for it would say the same again."""
        return VerdictOperator(task_id="verdict", retries=0, **self.bound)


def _owned(step: Step) -> Step:
    """The step with the owner of its findings, by its groups, the innermost first: Airflow shows it (G133-G136)."""
    config = settings()
    role = config.routing.owner_of(step.task_id.split(".")[-2::-1])
    step.owner = config.maintenance.roles[role].title
    return step


def form(*groups: str, mutates: bool = False) -> ParamsDict:
    """The trigger form: which groups, whether only to say what would be done, and when to change what is approved.

    A DAG gets it after its tasks: Airflow copies it, several times over, into each task that is made after it.
    """
    when = Param(
        When.NEXT.value,
        type="string",
        title="When to apply what is approved",
        description="Outside the calendar only if the plan's approvers allow it.",
        enum=[choice.value for choice in When],
    )
    which = Param(
        list(groups),
        type="array",
        title="Groups",
        description="What is left out is reported as not collected.",
        items={"type": "string", "enum": list(groups)},
        examples=list(groups),
    )
    dry_run = Param(
        False,
        type="boolean",
        title="Dry run",
        description="Ask nothing; the report says what would have been asked.",
    )
    return ParamsDict({**({"when": when} if mutates else {}), "groups": which, "dry_run": dry_run})


__all__ = ["DEFAULTS", "Flow", "form", "targets_of"]
