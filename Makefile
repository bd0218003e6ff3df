# `make` lists the targets. With Python >= 3.11 and make on the machine, `make train` is all it takes.
#
# Every NAME=VALUE typed after train, sweep, evaluate and the other commands becomes a Hydra override, unchanged and in the order
# typed; so does a deletion (`make train '~callbacks.early_stopping'`), after them. What the shell would touch
# wants quotes: make train 'model.layers=[1, 2]'. The names below are make's own and are not passed on. All other
# variables of this file are in capitals, because configuration keys are not: no override can reach them.
# Nothing here is newer than GNU make 3.81, the one that macOS has.

PYTHON ?= python3
# torch=cpu, torch=cu128, torch=auto, ...: the build of PyTorch to install; torch=default is the registry's own.
torch :=
# extras=mlflow: optional dependencies to install, separated by commas.
extras :=
# only=PATTERN: the tests or the benchmarks to run, of `make test`, `make soak` and `make bench`.
only :=
# slow=1: the slow tests too; slow=only: nothing but them.
slow :=

RESERVED := PYTHON torch extras only slow
TARGETS := help setup new train sweep compare evaluate explain describe zoo schema serve dashboard cache test soak lint bench lock
DEVELOPER_TARGETS := test soak lint bench

EMPTY :=
COMMA := ,
SPACE := $(EMPTY) $(EMPTY)
TAB := $(EMPTY)	$(EMPTY)
define NEWLINE


endef

# ---------------------------------------------------------------------------------------------- overrides
# MAKEOVERRIDES has the variables of the command line, the last one first, blanks and backslashes escaped by a
# backslash and `$` doubled. As percent codes blanks survive make's functions, which take a text for a list of words.

DELETIONS := $(filter ~%,$(MAKECMDGOALS))
UNKNOWN := $(filter-out $(TARGETS) $(DELETIONS),$(MAKECMDGOALS))
ifneq ($(UNKNOWN),)
# Otherwise a stray word is found only when the training before it has ended.
$(error unknown target: $(UNKNOWN) (`make help` lists them; an override is written name=value))
endif

ifneq ($(findstring $(NEWLINE),$(MAKEOVERRIDES)),)
$(error an override cannot hold a line break: make would end the command there)
endif

ENCODE = $(subst \$(TAB),%09,$(subst \$(SPACE),%20,$(subst \\,%5C,$(subst %,%25,$(1)))))
DECODE = $(subst %25,%,$(subst %5C,\,$(subst %20,$(SPACE),$(subst %09,$(TAB),$(1)))))
REVERSE = $(if $(1),$(call REVERSE,$(wordlist 2,$(words $(1)),$(1))) $(firstword $(1)))
QUOTE = '$(subst ','\'',$(1))'

TYPED := $(call REVERSE,$(call ENCODE,$(subst $$$$,$$,$(MAKEOVERRIDES))))
OVERRIDES := $(filter-out $(RESERVED:%=%=%),$(TYPED)) $(call ENCODE,$(DELETIONS))
ARGUMENTS = $(foreach OVERRIDE,$(OVERRIDES),$(call QUOTE,$(call DECODE,$(OVERRIDE))))

# Make would put them into the environment, and would expand their `$` on the way.
unexport $(foreach OVERRIDE,$(OVERRIDES),$(firstword $(subst =, ,$(OVERRIDE))))

# ----------------------------------------------------------------------------------------------- environment
# The name of the stamp .venv/installed+TORCH+EXTRA+EXTRA says what .venv holds, so that a choice made once (a
# build of PyTorch, an extra) outlives the commands that do not name it, and a new choice installs what it lacks.

VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
UV := $(BIN)/uv
UV_STAMP := $(VENV)/uv+$(UV_VERSION)

HELD := $(subst +,$(SPACE),$(patsubst $(VENV)/installed+%,%,$(firstword $(wildcard $(VENV)/installed+*))))
HELD_TORCH := $(or $(firstword $(HELD)),default)
TORCH := $(or $(torch),$(HELD_TORCH))
ASKED_EXTRAS := $(subst $(COMMA),$(SPACE),$(extras))
NEEDED_EXTRAS := $(if $(filter $(DEVELOPER_TARGETS),$(MAKECMDGOALS)),dev) $(filter bench serve dashboard,$(MAKECMDGOALS))
EXTRAS := $(sort $(wordlist 2,$(words $(HELD)),$(HELD)) $(ASKED_EXTRAS) $(NEEDED_EXTRAS))
INSTALLED := $(VENV)/installed+$(subst $(SPACE),+,$(strip $(TORCH) $(EXTRAS)))

CONSTRAINTS := requirements.lock
INSTALL_OPTIONS = -c $(CONSTRAINTS)
ifneq ($(TORCH),default)
# The lock has the CUDA libraries of the registry's build; another build pins its own.
CONSTRAINTS := $(VENV)/constraints.txt
INSTALL_OPTIONS += --torch-backend $(TORCH)
endif
ifneq ($(TORCH),$(HELD_TORCH))
# Two builds of PyTorch have the same version, so that uv would find nothing to do. --exact removes the gigabytes
# of libraries that only the former build needed.
INSTALL_OPTIONS += --reinstall-package torch --reinstall-package torchvision --exact
endif

.PHONY: $(TARGETS) $(DELETIONS)

help: ## list the targets (the default)
	@awk -F ' ## ' '/^[a-z]+:.* ## / { sub(/:.*/, "", $$1); printf "make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(INSTALLED) ## create .venv and install the pinned dependencies; torch=cpu, extras=mlflow, PYTHON=python3.12
ifeq ($(origin PYTHON),command line)
	@$(PYTHON) -c 'import sys; sys.exit(sys.argv[1] != sys.version)' "`$(BIN)/python -c 'import sys; print(sys.version)'`" || \
		{ echo "error: $(VENV) was made by another Python; remove it first: rm -r $(VENV)" >&2; exit 1; }
endif

$(UV_STAMP):
	@command -v $(PYTHON) >/dev/null || \
		{ echo "error: $(PYTHON) not found; name a Python >= 3.11: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "error: %s is Python %d.%d, and \
	convscope needs 3.11 or newer: make setup PYTHON=python3.12" % ((sys.argv[1],) + sys.version_info[:2]))' $(PYTHON)
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "error: $(PYTHON) has no venv module; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@touch $@

$(VENV)/constraints.txt: requirements.lock | $(UV_STAMP)
	@grep -Ev '^(nvidia|cuda)-' requirements.lock >$@

$(INSTALLED): pyproject.toml $(CONSTRAINTS) | $(UV_STAMP)
	@for EXTRA in $(EXTRAS); do grep -q "^$$EXTRA = \[" pyproject.toml || \
		{ echo "error: pyproject.toml has no extra named $$EXTRA" >&2; exit 1; }; done
	$(UV) pip install --python $(BIN)/python $(strip $(INSTALL_OPTIONS)) -e '.$(if $(EXTRAS),[$(subst $(SPACE),$(COMMA),$(EXTRAS))])'
	@rm -f $(VENV)/installed+* && touch $@

# -------------------------------------------------------------------------------------------------- commands

new: $(INSTALLED) ## write a small project of your own: make new name=my_project
	$(BIN)/convscope new $(ARGUMENTS)

train: $(INSTALLED) ## train: make train model=resnet data=hotdog
	$(BIN)/convscope train $(ARGUMENTS)

sweep: $(INSTALLED) ## train every combination: make sweep model=resnet,vgg transfer=head,full
	$(BIN)/convscope train --multirun $(ARGUMENTS)

compare: $(INSTALLED) ## the runs of a sweep side by side: make compare sweep=PATH
	$(BIN)/convscope compare $(ARGUMENTS)

evaluate: $(INSTALLED) ## evaluate a finished run: make evaluate run=PATH
	$(BIN)/convscope evaluate $(ARGUMENTS)

explain: $(INSTALLED) ## which pixels or words a run answered for: make explain run=PATH images=FILE_OR_FOLDER
	$(BIN)/convscope explain $(ARGUMENTS)

describe: $(INSTALLED) ## parameters, cost and receptive fields, layer by layer: make describe model=vgg
	$(BIN)/convscope describe $(ARGUMENTS)

zoo: $(INSTALLED) ## list the networks
	$(BIN)/convscope zoo $(ARGUMENTS)

schema: $(INSTALLED) ## write JSON schemas of conf/, for editors that complete and check keys
	$(BIN)/convscope schema $(ARGUMENTS)

serve: $(INSTALLED) ## the Not Hotdog app on this machine: make serve run=PATH
	$(BIN)/convscope serve $(ARGUMENTS)

dashboard: $(INSTALLED) ## lay out a wandb workspace and a report: make dashboard project=NAME
	$(BIN)/convscope dashboard $(ARGUMENTS)

cache: $(INSTALLED) ## list what is kept of images and frozen networks; clear=all removes it
	$(BIN)/convscope cache $(ARGUMENTS)

# Make takes a deletion for a target of its own.
$(DELETIONS): ; @:

# ------------------------------------------------------------------------------------------------ developing

# What is marked soak runs with `make soak` alone, whether or not it is marked slow, too.
MARKER := $(if $(filter only,$(slow)),-m 'slow and not soak',$(if $(slow),-m 'not soak'))
CHOSEN = $(if $(only),-k $(call QUOTE,$(value only)))

# A worker a core. The slow tests are many in few files, and some take as long as a hundred others.
WORKERS := --numprocesses auto --dist $(if $(filter only,$(slow)),worksteal,loadfile)

# Some containers set PYTHONDONTWRITEBYTECODE: every process that a test starts would compile PyTorch again, for 10 s.
ENVIRONMENT := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1

test: $(INSTALLED) ## run the fast tests; slow=1 all of them, slow=only the others, only=PATTERN some
	$(ENVIRONMENT) $(BIN)/python -m pytest $(WORKERS) $(MARKER) $(CHOSEN)

# One after the other: each may want the whole machine. Many take longer than the time at which CI shows the stacks of a
# test. Status 5 is pytest's for no test at all.
soak: $(INSTALLED) ## run what is too long for CI; only=PATTERN some
	@$(ENVIRONMENT) $(BIN)/python -m pytest -m soak -o faulthandler_timeout=0 --durations=0 $(CHOSEN) || { STATUS=$$?; \
		[ $$STATUS -eq 5 ] && echo "no soak test is called like that" || exit $$STATUS; }

lint: $(INSTALLED) ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(INSTALLED) ## time against peers; only=PATTERN some
	$(BIN)/python -m benchmarks $(if $(only),--only $(call QUOTE,$(value only)))

lock: | $(UV_STAMP) ## bring requirements.lock in line with pyproject.toml; remove it first for newer versions
	$(UV) pip compile --universal --all-extras --python-version 3.11 pyproject.toml -o requirements.lock
