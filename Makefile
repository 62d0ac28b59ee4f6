# Each target sets up what it needs: a .venv with uv where it is installed, else with python3 and pip.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export UV_PYTHON_DOWNLOADS := never
# without the cache of compiled modules, each process of a test would compile fleet again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo tour test slow slow-quick integration integration-quick integration-clients integration-sdks soak types lint format docs vendor screenshots new-client new-dialect build serve bench-gateway bench-gateway-quick bench-peers bench-scale bench-compiler lock-dependencies clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-18s %s\n", $$1, $$2}'

$(READY): pyproject.toml uv.lock requirements.lock
	@if [ -t 2 ]; then printf 'setting up $(VENV), once: less than a minute' >&2; fi
	@if command -v uv >/dev/null 2>&1; then \
	  uv sync --quiet --locked --python $(PYTHON); \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .; \
	fi
	@touch $@
	@if [ -t 2 ]; then printf '\r\033[2K' >&2; fi

demo: $(READY) ## run three simulated providers and a gateway, and show what to try
	@$(BIN)/fleet demo

tour: $(READY) ## run the demo's steps automatically
	@$(BIN)/fleet demo --tour

test: $(READY) ## run the test suite
	$(BIN)/pytest -q -n auto --dist worksteal -m "not slow and not integration"

slow: $(READY) ## run the slow tests, and four times the examples of the property tests
	$(BIN)/pytest -q -m "slow and not integration"
	FLEET_EXAMPLES=thorough $(BIN)/pytest -q -n auto --dist worksteal -m "hypothesis and not slow and not integration"

slow-quick: $(READY) ## run the slow tests that CI runs
	$(BIN)/pytest -q -n auto --dist worksteal -m "slow and not integration" tests/docs tests/cli tests/system/test_a_year.py

integration-clients: $(READY) ## install and test the real client programs: KIND=… for one
	$(BIN)/python -m tests.integration.client_programs $(KIND)
	tests/integration/offline $(BIN)/pytest -q -m integration tests/integration/test_clients.py tests/integration/test_open_webui.py $(if $(KIND),-k "$(subst -,_,$(KIND)) or $(KIND)")

soak: $(READY) ## run ten minutes of load and attacks while a provider fails in every way; not in CI
	$(BIN)/python -m bench.soak --hostile

integration: $(READY) ## install and test the real opencode, llama-swap and SDKs
	$(BIN)/python -m tests.integration.tools
	$(BIN)/python -m tests.integration.client_programs
	tests/integration/offline $(BIN)/pytest -q -m integration

integration-quick: $(READY) ## run the quick part of the integration tests
	$(BIN)/python -m tests.integration.tools
	$(BIN)/python -m tests.integration.client_programs llm codex aider
	tests/integration/offline $(BIN)/pytest -q -m "integration and not slow"

integration-sdks: $(READY) ## test LiteLLM, LangChain, LlamaIndex, pydantic-ai and the AI SDK; not in CI
	$(BIN)/python -m tests.integration.tools --sdks
	tests/integration/offline $(BIN)/pytest -q tests/integration/test_more_sdks.py

types: $(READY) ## test the TypeScript types of the API, and the client of docs/consumers.md
	@if command -v npm >/dev/null 2>&1; then \
	  npm ci --prefix tests/typescript --no-audit --no-fund --loglevel=error; \
	fi
	$(BIN)/pytest -q tests/typescript

lint: $(READY) ## check types, style, format and words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/test_words.py

format: $(READY) ## format the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

vendor: $(READY) ## fetch the console's libraries from npm, at the versions of docs/generate/vendor_console.py
	$(BIN)/python -m docs.generate.vendor_console

screenshots: $(READY) ## render the console's views in both themes; needs Debian's chromium
	$(BIN)/python -m tests.console.screenshots build/screenshots

docs: $(READY) ## generate the pages and schemas that are made from code
	$(BIN)/python -m docs.generate.schemas
	$(BIN)/python -m docs.generate.yaml_page
	$(BIN)/python -m docs.generate.cli_page
	UPDATE_DOCS=1 $(BIN)/pytest -q tests/docs/test_diagnostics_page.py tests/docs/test_architecture_page.py

new-dialect: $(READY) ## create a server kind: NAME=…
	@$(BIN)/python -m docs.generate.new_dialect "$(NAME)"

new-client: $(READY) ## create a client kind: NAME=…
	@$(BIN)/python -m docs.generate.scaffold "$(NAME)"

build: $(READY) ## compile fleet.yaml to generated/
	$(BIN)/fleet build

serve: $(READY) ## run the gateway on generated/
	$(BIN)/fleet serve

bench-gateway-quick: $(READY) ## compare the gateway with nginx in less than a minute, and with the last recorded ratio
	@$(BIN)/python -m bench.quick

bench-peers: $(READY) ## compare the gateway with nginx, nginx with Lua, HAProxy and LiteLLM's proxy
	@$(BIN)/python -m bench.side_by_side

bench-gateway: $(READY) ## compare the gateway with nginx and LiteLLM's proxy; needs Debian's nginx and wrk
	@$(BIN)/python -m bench.gateway

bench-scale: $(READY) ## measure a gateway with 100 and 1,000 simulated providers
	@$(BIN)/python -m bench.scale

bench-compiler: $(READY) ## compare the compiler with a bare interpreter and check-jsonschema
	@$(BIN)/python -m bench.compiler

lock-dependencies: ## pin the dependencies again; needs uv
	uv lock --upgrade
	uv export --quiet --no-hashes --no-emit-project --format requirements-txt --output-file requirements.lock

clean: ## remove the generated files of all targets
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
