# Everything a person types. `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export LC_ALL := C.UTF-8
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_HOME := $(CURDIR)/.ansible
export PYTHONDONTWRITEBYTECODE := 1
unexport PYTHONPATH

VENV := .venv/.complete
LAB_SERVERS ?= demo
export LAB_SUBNET ?=
export LAB_MIRROR_URL ?=
lab = ansible-playbook -i localhost, playbooks/lab.yml
names = {"lab_servers": [$(shell printf '%s' '$(1)' | sed 's/[^ ][^ ]*/"&"/g; s/ /,/g')]}

.PHONY: help setup demo test lint unit browser integration molecule faults bench bench-cost bench-backup bench-advisor orm-compat storm lab-up lab-down lab-ssh lock clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: $(VENV) ## Make the virtual environment (everything else does it by itself)

$(VENV): requirements/controller.txt
	@tools/setup

demo: $(VENV) ## The whole main job on a fresh lab server; ends with a table and build/demo/report.html
	@python tools/demo.py

test: $(VENV) ## Everything that CI checks
	@python tools/run_tests.py lint unit browser molecule integration-first integration-second

lint: $(VENV) ## ruff, mypy, yamllint, ansible-lint
	ruff check .
	ruff format --check .
	mypy
	yamllint --strict .
	ansible-lint --offline --strict

unit: $(VENV) ## Unit tests of all logic
	pytest tests/unit

browser: $(VENV) ## The report in a real browser
	@tools/setup browser
	pytest tests/browser

integration: $(VENV) ## Tests against a real server in the lab
	@tools/setup node
	@python tools/integration.py $(PYTEST_ARGS)

faults: $(VENV) ## Every failure of the store at every position (half an hour): build/faults.json, docs/faults.md
	@PGKEEL_FAULTS=all python tools/integration.py tests/integration/test_faults.py
	@python tools/faults_table.py

bench: $(VENV) ## The success metrics, before and after, with real clients: build/bench/results.json (BENCH_SIZE=quick|full)
	@tools/setup node
	@python tools/bench.py

bench-cost: $(VENV) ## What pgkeel itself costs: playbooks, pg_stat_statements, backups beside a workload: build/bench/costs.json
	@python tools/bench_cost.py

bench-backup: $(VENV) ## Backup and restore beside pg_dump|gzip|rclone and pgBackRest: build/bench/backup.json
	@python tools/bench_backup.py

bench-advisor: $(VENV) ## The advisor beside two simpler ones on four workloads: build/bench/advisor.json (BENCH_SCALE=0.2 is quicker)
	@python tools/bench_advisor.py

molecule: $(VENV) ## The scenarios, each on a server of its own
	@python tools/run_molecule.py $(SCENARIOS)

orm-compat: $(VENV) ## The application's own clients through pgbouncer: a table of what works (needs Node 20)
	@python tools/orm_compat.py

storm: $(VENV) ## 200 clients log in at once, directly and through pgbouncer; build/bench/storm.json (KEEP=1 keeps the server)
	@python tools/storm.py

lab-up: $(VENV) ## Start lab servers: LAB_SERVERS="one two", LAB_SUBNET=10.78.3.0/24
	@$(lab) -e '$(call names,$(LAB_SERVERS))'

lab-down: $(VENV) ## Take the whole lab down, with its data; or only LAB_SERVERS="one two"
	@$(lab) -e lab_state=down -e '$(call names,$(if $(filter file,$(origin LAB_SERVERS)),,$(LAB_SERVERS)))'

lab-ssh: $(VENV) ## Log in on a lab server: LAB_SERVERS=name
	@python tools/lab_ssh.py $(firstword $(LAB_SERVERS))

lock: $(VENV) ## Resolve requirements/*.in anew into lock files with hashes
	@tools/lock

clean: ## Remove what was built (not the lab: make lab-down)
	rm -rf build .ansible .mypy_cache .ruff_cache .pytest_cache .hypothesis
