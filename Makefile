# Two commands do everything on a fresh machine: `make results/table2.csv` and `make test`.
# CONFIG passes settings on: make results/table1.csv CONFIG="only=rbqe"
# A run of a name of its own has a folder of its own: make results/mine/table1.csv CONFIG="run=mine"
# make reproduction DATA=folder WEIGHTS=folder: all that these pictures and official weights allow, and the scoreboard.

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed
PARALLEL := --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
RESULTS := results$(patsubst run=%,/%,$(filter run=%,$(CONFIG)))

.PHONY: setup test test-long coverage lint docs report reproduction weights clean FORCE
.DEFAULT_GOAL := results/table2.csv

setup: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "QEBench needs Python 3.11 or newer: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --compile --constraint constraints.txt --editable ".[test]"
	$(VENV)/bin/python -c "import torch; from qebench.iqa import iqam; [iqam.score(torch.zeros(1, 1, 32, 32), size) for size in (4, 8)]"
	@touch $@

# The ranking has a configuration of its own.
results/ranking/%: $(INSTALLED) FORCE
	$(RUN) snakemake --cores all $@ --configfile workflow/config/ranking.yaml $(if $(CONFIG),--config $(CONFIG))

results/%: $(INSTALLED) FORCE
	$(RUN) snakemake --cores all $@ $(if $(CONFIG),--config $(CONFIG))

report: $(INSTALLED)
	$(RUN) snakemake --cores all all $(RESULTS)/report.html $(if $(CONFIG),--config $(CONFIG))
	$(RUN) snakemake --report $(RESULTS)/workflow.html $(if $(CONFIG),--config $(CONFIG))

reproduction: $(INSTALLED)
	$(RUN) qebench reproduce $(DATA) $(if $(WEIGHTS),--weights $(WEIGHTS))

weights: $(INSTALLED)
	$(RUN) snakemake --cores all weights $(if $(CONFIG),--config $(CONFIG))

# Each file of tests on one worker, so that what its tests share is made once; the slowest first (tests/conftest.py).
# test-long has those that run the workflow once more, each in a way of its own: before a release, and after changes to
# workflow/, weights or the docs' commands.
test: $(INSTALLED)
	$(RUN) python -m pytest -m "not long" $(PARALLEL)

test-long: $(INSTALLED)
	$(RUN) python -m pytest -m long $(PARALLEL)

# Which lines of ours the tests reach, in the processes and in the copies of the tree that they start, too.
coverage: $(INSTALLED)
	$(RUN) python -m pytest $(PARALLEL) --cov

lint: $(INSTALLED)
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile workflow
	$(RUN) mypy
	$(RUN) lint-imports
	$(RUN) snakemake --lint

# The docs as a site, site/index.html; its packages are installed on top of the others.
docs: $(INSTALLED)
	$(VENV)/bin/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	$(RUN) NO_MKDOCS_2_WARNING=1 mkdocs build --strict

clean:
	rm -rf results/[!R]* results/.*.tmp logs .snakemake
