"""The ledger: windows, steps, samples, findings, reports. Rows are only added, but for a window's outcome."""
