# The front door. `make` alone lists what there is; the work is done by small scripts in scripts/.

.DEFAULT_GOAL := help
.NOTPARALLEL:

BIN := .venv/bin
SECONDS_PER_TARGET ?= 5

.PHONY: help setup setup-lint setup-test run test rules removals lint fmt bench fuzz fuzz-media sanitize soak docs lock clean

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## install what the exchange needs: .venv from the lock, the media engine compiled, prompts spoken
	@scripts/setup

setup-lint: setup
	@scripts/setup-lint

setup-test: setup-lint  ## install what the tests need besides: SIPp, baresip, Kamailio, rtpengine
	@scripts/setup-peers

run: setup  ## start the exchange (ARGS="--config FILE --data DIR")
	@exec $(BIN)/trunkline up $(ARGS)

test: setup-test  ## every check: lint gate, Rust tests, Python tests with real peers
	@scripts/check lint rust python

rules: setup-test  ## each rule of interoperability: what proves it, and whether it holds
	@scripts/check rules

removals: setup-test  ## take the code of rules away in a scratch copy, and see their tests fail (ARGS="T-07")
	@$(BIN)/python -m scripts.removals $(ARGS)

lint: setup-lint  ## the lint gate alone: ruff, mypy, import-linter, rustfmt, clippy
	@scripts/check lint

fmt: setup-lint  ## format Python and Rust, apply safe fixes
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .
	@cargo fmt --manifest-path rust/Cargo.toml --all

bench: setup-test  ## measure CPU and memory, beside the installed peers (ARGS="--help")
	@$(BIN)/python -m bench $(ARGS)

fuzz: setup  ## fuzz each target for SECONDS_PER_TARGET seconds
	@$(BIN)/python -m fuzz --seconds $(SECONDS_PER_TARGET) $(ARGS)

fuzz-media:  ## fuzz what the media engine reads, guided by coverage (nightly Rust, cargo-fuzz)
	@scripts/fuzz-media $(SECONDS_PER_TARGET) $(ARGS)

sanitize:  ## the media engine's Rust tests under Miri, AddressSanitizer, ThreadSanitizer (nightly Rust; ARGS="miri")
	@scripts/sanitize-media $(ARGS)

soak: setup-test  ## 20 calls/s for 60 s through the exchange, then look for leaks
	@TRUNKLINE_LOAD_SECONDS=60 TRUNKLINE_LOAD_RATE=20 $(BIN)/pytest tests/interop/test_load.py

docs: setup-test  ## write the generated pages, then run every command and example of the docs
	@scripts/write-docs
	@$(BIN)/pytest tests/docs

lock:  ## recompile requirements.lock, and what of it a release needs, from pyproject.toml
	@[ -x $(BIN)/uv ] || scripts/install-python
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --upgrade --generate-hashes \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 --group dev pyproject.toml -o requirements.lock
	@UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --generate-hashes --constraint requirements.lock \
		--no-emit-index-url --no-emit-find-links --python-version 3.11 pyproject.toml -o deploy/requirements.lock

clean:  ## remove what was built and installed here (not the data folder)
	@rm -rf .venv .setup rust/target .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@rm -rf src/trunkline/_native/*.so src/trunkline/prompts
