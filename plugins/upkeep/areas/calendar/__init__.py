"""The calendar: which windows come and whether they fit, which were due and what became of each."""
