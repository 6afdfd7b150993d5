"""The report of a window: model, page, plots, evidence by task."""
