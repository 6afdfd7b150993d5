-- Applied by `python -m upkeep ledger upgrade` as the ledger's owner: tasks add rows, the dashboard reads, and writes what people say on its pages.
GRANT USAGE ON SCHEMA upkeep TO {tasks}, {dashboard};
GRANT SELECT ON ALL TABLES IN SCHEMA upkeep TO {tasks}, {dashboard};
GRANT INSERT ON upkeep.windows, upkeep.steps, upkeep.findings, upkeep.samples, upkeep.answers, upkeep.reports,
    upkeep.interim_reports TO {tasks};
GRANT INSERT ON upkeep.plans, upkeep.shown, upkeep.decisions, upkeep.permits, upkeep.receipts, upkeep.signatures TO {tasks};
GRANT INSERT ON upkeep.snapshots, upkeep.thresholds, upkeep.baselines TO {tasks};
GRANT UPDATE (run_id, opened_at, outcome, closed_at) ON upkeep.windows TO {tasks};
GRANT INSERT ON upkeep.calendars, upkeep.due_windows TO {tasks};
GRANT UPDATE (since, until, removed_at) ON upkeep.calendars TO {tasks};
GRANT UPDATE (state, reason, changed_at) ON upkeep.due_windows TO {tasks};
GRANT INSERT ON upkeep.alerts, upkeep.outbox, upkeep.tellings TO {tasks};
GRANT UPDATE (level, cause, detail, remedy, members, findings, owner, dag_id, run_id, reminded, since, changed_at, ended_at,
    settled, acknowledged_by, acknowledged_why, acknowledged_level, acknowledged_until) ON upkeep.alerts TO {tasks};
GRANT UPDATE (state, attempts, next_attempt, failed_at, sent_at, error) ON upkeep.outbox TO {tasks};
GRANT DELETE ON upkeep.alerts, upkeep.outbox, upkeep.tellings TO {tasks};
GRANT INSERT, DELETE ON upkeep.watch_samples, upkeep.watch_hours TO {tasks};
GRANT INSERT ON upkeep.watch_states TO {tasks};
GRANT UPDATE (level, since, last, towards, from_, against, source, subject, detail, expected, remedy, guide, during)
    ON upkeep.watch_states TO {tasks};
GRANT UPDATE (acknowledged_by, acknowledged_why, acknowledged_level, acknowledged_until) ON upkeep.alerts TO {dashboard};
GRANT UPDATE (state, reason, changed_at) ON upkeep.due_windows TO {dashboard};
GRANT INSERT (report_id, guide, person, role, comment) ON upkeep.checklist_marks TO {dashboard};
