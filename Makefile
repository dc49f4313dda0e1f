# `make serve` runs Bodega with a small real model, `make test` runs every check. Both do all
# set-up, and need Python 3.11 or newer and make. For an NVIDIA GPU on Linux: make serve CUDA=1
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do "$$p" -c \
  'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>&- && echo $$p && break; done)
MLX := $(if $(filter Darwin,$(shell uname -s)),metal,$(if $(CUDA),cuda,cpu))
BIN := .venv/bin
# Stamps of what is installed: the program with one kind of MLX, then its developers' tools.
RUN := .venv/.run-$(MLX)
DEV := .venv/.dev-$(MLX)
OTHER_MLX := $(filter-out $(RUN),$(wildcard .venv/.run-*))

.PHONY: serve setup test lint type layers contract pytest gen image bench dist chaos fuzz soak works-with
serve: $(RUN) ; $(BIN)/bodega serve --model demo
setup: $(DEV)
test: lint type layers contract pytest
lint: $(DEV) ; $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/codespell
type: $(DEV) ; $(BIN)/mypy
layers: $(DEV) ; $(BIN)/lint-imports
contract: $(DEV)
	$(BIN)/buf lint && $(BIN)/buf format -d --exit-code
	$(BIN)/buf breaking proto --against proto/image.binpb
	$(BIN)/python tools/generate.py --check
# Two files of tests at a time: most wait for servers, which two cores run beside each other.
pytest: $(DEV) ; $(BIN)/python -m pytest -n 2 --dist loadfile
# Kills parts of the server 200 times; BODEGA_CHAOS_SEED=7 make chaos draws other ones.
chaos: $(DEV) ; BODEGA_CHAOS_KILLS=200 $(BIN)/python -m pytest -s tests/end_to_end/test_chaos.py
# Sends 17 times as many drawn requests as the tests do; SEED=7 make fuzz draws other ones.
fuzz: $(DEV) ; BODEGA_FUZZ_EXAMPLES=5000 $(BIN)/python -m pytest -s tests/end_to_end/test_fuzz.py \
	--hypothesis-seed=$(or $(SEED),4)
# Sends ten times as many requests as the tests do, and tells what the server holds.
soak: $(DEV) ; BODEGA_SOAK_REQUESTS=10000 $(BIN)/python -m pytest -s tests/end_to_end/test_soak.py
# Installs clients and frameworks of others and runs a tool loop with each; docs/works-with.md.
works-with: $(DEV) ; BODEGA_WORKS_WITH=1 $(BIN)/python -m pytest tests/end_to_end/test_works_with.py
gen: $(DEV) ; $(BIN)/python tools/generate.py
# The contract of the latest release, that nothing may break: made anew at a release.
image: $(DEV) ; $(BIN)/buf build proto --exclude-source-info -o proto/image.binpb
bench: $(DEV) ; $(BIN)/python -m bench
# A wheel and a source archive, under dist/.
dist: $(DEV) ; rm -rf dist && $(BIN)/hatchling build

$(RUN): pyproject.toml
	@test "$(PYTHON)" || { echo "Needs Python 3.11 or newer with venv: make PYTHON=/path/to/it"; exit 1; }
	$(if $(OTHER_MLX),rm -rf .venv)
	test -x $(BIN)/pip || "$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --editable '.$(if $(filter metal,$(MLX)),,[$(MLX)])'
	touch $@
$(DEV): $(RUN)
	$(BIN)/python -m pip install --group dev
	touch $@
