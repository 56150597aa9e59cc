# The only developer interface. Every target brings what it needs: `make demo` on a fresh machine is enough.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-rust test-python kills check bench-access bench-reverse bench-egress bench-proxied fuzz format lock wheel clean

PYTHON ?= python3
FUZZ_SECONDS ?= 60
CARGO_FUZZ := 0.13.2
BIN := .venv/bin
CARGO ?= cargo
PYTHON_SOURCES := $(shell find python -name '*.py')
CORE := $(shell find crates Cargo.toml Cargo.lock -type f -not -path '*/target/*')

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/.core ## Build everything into .venv
	@echo "Ready: $(BIN)/penstock --help"

.venv/.dependencies: requirements.lock
	@command -v $(CARGO) >/dev/null || { echo "error: cargo is missing; install Rust (https://rustup.rs)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	@echo "==> Python packages"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@touch $@

.venv/.core: .venv/.dependencies pyproject.toml $(CORE)
	@echo "==> The Rust core; the first build takes some minutes"
	VIRTUAL_ENV=$(CURDIR)/.venv PATH="$(CURDIR)/$(BIN):$$PATH" maturin develop --uv --profile setup --locked
	@touch $@

demo: setup ## A gateway, an agent and a database to play with; Ctrl-C ends it
	@$(BIN)/penstock demo

test: test-rust test-python ## Every test

test-rust:
	$(CARGO) test --locked --workspace --exclude penstock-python

test-python: setup
	$(BIN)/python -m tests.e2e.stack.peers
	$(BIN)/python -m tests.e2e.stack.wheels
	$(BIN)/python -m tests.e2e.stack.crds
	$(BIN)/pytest

kills: setup ## 200 SIGKILLs of gateway and agent at random moments, where the tests do with 20
	PENSTOCK_KILLS=200 $(BIN)/pytest tests/e2e/test_kills.py

check: setup ## Lints, types, formats and the boundaries between the parts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest penstock._core
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_crates.py
	$(CARGO) fmt --check
	PYO3_PYTHON=$(CURDIR)/$(BIN)/python $(CARGO) clippy --locked --workspace --all-targets -- -D warnings

bench-access: target/bench/.release ## Access beside the direct path, HAProxy and ssh, in one run
	PYTHONPATH=$(CURDIR)/target/bench/release $(BIN)/python -m benchmarks.access $(ARGS)

bench-reverse: target/bench/.release target/bench/.peers ## Publishing beside HAProxy, nginx, granian and uvicorn, in one run
	PYTHONPATH=$(CURDIR)/target/bench/release $(BIN)/python -m benchmarks.reverse $(ARGS)

bench-egress: target/bench/.release target/bench/.peers ## Egress beside Envoy, squid and tinyproxy, in one run
	PYTHONPATH=$(CURDIR)/target/bench/release $(BIN)/python -m benchmarks.egress $(ARGS)

bench-proxied: target/bench/.release target/bench/bin/penstock-echo ## Access behind nginx, HAProxy and Envoy, beside plain gRPC, in one run
	PYTHONPATH=$(CURDIR)/target/bench/release $(BIN)/python -m benchmarks.proxied $(ARGS)

target/bench/.release: .venv/.core $(PYTHON_SOURCES)
	@echo "==> A release wheel and the load generator; whole-program optimisation takes some minutes"
	rm -rf target/bench/wheel target/bench/release
	$(BIN)/maturin build --release --locked --out target/bench/wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target target/bench/release target/bench/wheel/*.whl
	$(CARGO) install --quiet --locked --force --path crates/load --root target/bench
	@touch $@

target/bench/.peers: .venv/.dependencies benchmarks/requirements.lock
	@echo "==> Peers from PyPI"
	rm -rf target/bench/peers
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target target/bench/peers -r benchmarks/requirements.lock
	@touch $@

target/bench/bin/penstock-echo: target/bench/.peers $(wildcard benchmarks/proxied/echo/*)
	@echo "==> The echo of grpc-go"
	cd benchmarks/proxied/echo && GOTOOLCHAIN=local $(CURDIR)/target/bench/peers/go/bin/go build -o $(CURDIR)/$@ .

fuzz: target/fuzz-tools/.$(CARGO_FUZZ) ## Fuzz each codec for FUZZ_SECONDS; needs a nightly Rust
	@set -e; export PATH="$(CURDIR)/target/fuzz-tools/bin:$$PATH"; for target in $$($(CARGO) fuzz list); do \
		echo "==> $$target"; \
		mkdir -p target/fuzz/$$target; \
		$(CARGO) +nightly fuzz run $$target target/fuzz/$$target fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) -timeout=10; \
	done

target/fuzz-tools/.$(CARGO_FUZZ):
	@$(CARGO) +nightly --version >/dev/null 2>&1 || { echo "error: a nightly Rust is missing; install it: rustup toolchain install nightly --profile minimal"; exit 1; }
	@echo "==> cargo-fuzz"
	$(CARGO) install --quiet --locked --force --version $(CARGO_FUZZ) --root target/fuzz-tools cargo-fuzz
	@touch $@

format: .venv/.dependencies ## Format everything
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(CARGO) fmt

lock: .venv/.dependencies ## Resolve the Python dependencies again
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o requirements.lock
	$(BIN)/uv pip compile --group bench -c requirements.lock --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o benchmarks/requirements.lock
	$(BIN)/uv pip compile --group foreign --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -o tests/requirements.lock

wheel: .venv/.dependencies ## A release wheel in target/wheels
	$(BIN)/maturin build --release --locked

clean: ## Remove what was built
	rm -rf .venv target python/penstock/*.so
