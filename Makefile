# The two commands of the README are `make run` and `make test`; `make help` lists the rest.

# The examples of injected services, each in a file of its own.
SERVICES := ips ids bypass dpi balancer

.PHONY: $(SERVICES) services help run web clean test check bench docs explore fuzz
.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: ## install what is missing, and run the main job: a chain over three switches
	@scripts/install run
	@.venv/bin/python examples/dragonflow.py

web: ## install what is missing, and run the second example: a firewall and a cache before a web server
	@scripts/install web
	@.venv/bin/python examples/web.py

services: ## install what is missing, and run the examples of injected services; or one: make ips, ids, ...
	@scripts/install services
	@for one in $(SERVICES); do .venv/bin/python examples/services/$$one.py && .venv/bin/segue lab down $$one || exit; done

$(SERVICES):
	@scripts/install services
	@.venv/bin/python examples/services/$@.py

clean: ## remove the networks that the examples left up
	@scripts/clean

# What schemathesis makes up follows the order of sets, which is another one in each run unless Python's hashes are fixed:
# without this a test that failed here could pass there, on the same code. Others: PYTHONHASHSEED=7 make test
test check: export PYTHONHASHSEED ?= 0
test: ## install what the tests need, and run them on all cores: first those that need no root, then those with switches
	@scripts/install test
	@failed=0; .venv/bin/python -m pytest -n logical --dist loadfile -m "not root" || failed=$$?; \
	.venv/bin/python -m pytest -n logical --dist loadfile -m root || failed=$$?; exit $$failed

check: ## the fast checks: format, lint, types, import contracts, tests that need no root
	@scripts/install test
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@.venv/bin/python -m pytest -q -m "not root and not slow"

docs: ## write the generated pages of docs/ anew
	@scripts/install test
	@.venv/bin/python scripts/generate_docs.py

bench: ## run the benchmarks, and print their tables
	@scripts/install bench
	@.venv/bin/python -m bench

explore: ## ask the tests of properties about inputs that nobody has made up before, EXPLORE (3) times
	@scripts/install test
	@for _ in $$(seq $${EXPLORE:-3}); do SEGUE_MORE=4 .venv/bin/python -m pytest -q -x -n logical --dist loadfile -m "not root" \
	--hypothesis-profile=explore --timeout=3600 tests/properties tests/inject tests/engine tests/store || exit; done

fuzz: ## look for bytes that break the OpenFlow library, FUZZ_SECONDS (60) for each of five targets
	@scripts/fuzz
