# Every target sets up its own environment first: a fresh checkout needs nothing but Python 3.11.
VENV ?= .venv
BIN := $(VENV)/bin
SEEDS ?= 1000
SECONDS ?= 60
PATHS := $(wildcard coord transport recipes workers tests examples)

.DEFAULT_GOAL := help
.PHONY: help demo test check format sim sim-recipes sim-jobs bench bench-etcd bench-memory bench-scale bench-profile
.PHONY: bench-jobs bench-waiting bench-recipes bench-herd bench-holders chaos chaos-jobs fuzz examples wheel api lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 16

$(VENV)/.stamp: requirements-dev.lock pyproject.toml .ci/set-up
	@VENV=$(VENV) PYTHON="$(PYTHON)" .ci/set-up
	@touch $@

demo: $(VENV)/.stamp ## a search index built on three nodes while the leader and a worker are killed
	$(BIN)/coord demo index

test: $(VENV)/.stamp ## all tests but the slow ones
	$(BIN)/python -m pytest -q

check: $(VENV)/.stamp ## lint, format, types, import contract, house rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(PATHS)
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q tests/house

format: $(VENV)/.stamp ## let ruff format and fix what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

sim: $(VENV)/.stamp ## SEEDS simulated clusters under faults
	$(BIN)/python -m coord.testing.sim --seeds $(SEEDS)

sim-recipes: SEEDS = 500
sim-recipes: $(VENV)/.stamp ## the recipes as programs on SEEDS (500) simulated clusters under faults
	$(BIN)/python -m recipes.testing.sim --seeds $(SEEDS)

sim-jobs: SEEDS = 500
sim-jobs: $(VENV)/.stamp ## workers, stewards and programs on SEEDS (500) simulated clusters under faults
	$(BIN)/python -m workers.testing.sim --seeds $(SEEDS)

bench: $(VENV)/.stamp ## rate and latency of a local three-node cluster
	$(BIN)/python -m tests.bench.coord_only

bench-etcd: $(VENV)/.stamp ## the same loads on etcd and coord in turns, with the floors to meet
	$(BIN)/python -m tests.bench.compare_etcd

bench-recipes: $(VENV)/.stamp ## locks and queues beside etcd's own recipes, in turns
	$(BIN)/python -m tests.bench.compare_recipes

bench-herd: $(VENV)/.stamp ## who is disturbed by a release, or an item put, with 1 to 1000 waiting
	$(BIN)/python -m tests.bench.herd

bench-holders: $(VENV)/.stamp ## how soon the next one holds when a holder dies, freezes or is cut off
	$(BIN)/python -m tests.bench.holder_faults

bench-jobs: $(VENV)/.stamp ## jobs beside Celery, Dramatiq and Huey, with the floors to meet
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	$(BIN)/python -m tests.bench.compare_jobs

bench-waiting: $(VENV)/.stamp ## what delayed jobs and schedules cost while they wait, and how late they are
	$(BIN)/python -m tests.bench.waiting

bench-memory: $(VENV)/.stamp ## a million keys: memory, restart after a kill, longest stall
	$(BIN)/python -m tests.bench.memory_restart

bench-scale: $(VENV)/.stamp ## puts at several sizes of store and cluster
	$(BIN)/python -m tests.bench.scale

bench-profile: $(VENV)/.stamp ## a put's microseconds in leader, follower and client, by stage
	for who in leader follower client; do \
		$(BIN)/python -m tests.bench.profile_leader --who $$who || exit 1; done

chaos: $(VENV)/.stamp ## real processes killed, stopped and cut off for SECONDS, history checked
	$(BIN)/python -m coord.testing.chaos --seconds $(SECONDS)

chaos-jobs: $(VENV)/.stamp ## jobs while workers, stewards and leader nodes are killed and frozen for SECONDS
	$(BIN)/python -m workers.chaos --seconds $(SECONDS)

fuzz: $(VENV)/.stamp ## every decoder fed damaged bytes for SECONDS, then longer property searches
	$(BIN)/python tests/fuzz/fuzz_decoders.py --seconds $(SECONDS)
	HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -q -m hypothesis --timeout 1200

examples: $(VENV)/.stamp ## run every example, beside a cluster of its own
	@$(BIN)/python -m coord.testing.with_cluster --nodes 1 -- sh -ec \
	    'for file in examples/*.py; do echo "== $$file"; timeout 120 $(BIN)/python $$file; done'

wheel: $(VENV)/.stamp ## build the wheel and check what is in it
	$(BIN)/python .ci/check_wheel.py

api: $(VENV)/.stamp ## pin the public names as they are now
	$(BIN)/python tests/house/test_public_api.py

lock: ## resolve the newest versions afresh and rewrite requirements-dev.lock
	@.ci/lock

clean: ## remove what was built, the environment included
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
