"""The whole system on one machine: embedded PostgreSQL, a target with a living workload, functions twin and sinks.

Nothing in here is part of a production installation, and nothing outside imports it except the tests.
"""
