# GNU make 3.81 or later. Every path is relative, so the checkout may lie in a folder with spaces in its name.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help orl tables publish table2 table3a table3b table4 wnnf-other dnsnmf-tables deep-kl-table neural-table hyperspectral topics showcase figures arena smoke bench bench-quick test test-slow lint docs docs-serve clean

# The Python that makes .venv. If none is named and python3 will not do, these are tried.
PYTHON ?= python3
OTHERS := $(if $(filter file,$(origin PYTHON)),python3.13 python3.12 python3.11)

# cpu or cuda; once CUDA is installed, it stays until TORCH=cpu is asked for.
TORCH ?= $(if $(wildcard .venv/.torch-cuda),cuda,cpu)
ifeq ($(filter cpu cuda,$(TORCH)),)
$(error TORCH must be cpu or cuda, got '$(TORCH)')
endif
TORCH_VERSION := $(shell sed -n 's/^torch==//p' constraints.txt)

# Processes at once; by default as cores and memory allow.
JOBS ?=

PIP := .venv/bin/python -m pip --disable-pip-version-check
# A package without a pyproject.toml is built the way of the others, which also spares a warning.
INSTALL := $(PIP) install -qq --progress-bar off --use-pep517 --log .venv/install.log -c constraints.txt
OR_SAY_WHERE := || { echo "The whole story is in .venv/install.log." >&2; exit 1; }

help: ## this list
	@sed -n 's/^\([a-z0-9 -]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{ printf "make %-14s %s\n", $$1, $$2 }'
	@echo "The first call installs into .venv; PYTHON=python3.12 chooses the Python, TORCH=cuda a torch for GPUs."

RUN = .venv/bin/nmfbench run $(if $(JOBS),jobs=$(JOBS))
PLOT = .venv/bin/nmfbench plot
LOCAL := results/local
ABUNDANCES := deep_kl_fig6_7 deep_kl_fig8_9 deep_kl_fig10_11
# In one call, which starts once and plans all of them before the first runs.
TABLES := wnnf_table2 wnnf_table3a wnnf_table3b wnnf_table4 wnnf_other dnsnmf_tables dnsnmf_depth deep_kl_table2 \
  deep_kl_cbcl neural_table1 hyperspectral topics topics_news20 showcase deep_loss planted \
  urban_synthetic scaling multiview communities mixtures truth corruption

orl: .venv/.installed-run ## WNNF, NMF and the raw pixels on the ORL faces: runs and table
	@$(RUN) experiment=orl

# The figures are drawn again if there are runs since.
tables: .venv/.installed-run ## all below
	@$(RUN) experiment=$$(echo $(TABLES) | tr ' ' ,); code=$$?; \
	if [ -e $(LOCAL)/figures/dnsnmf_fig9.png ] && \
	  [ -z "$$(find $(LOCAL)/runs -name '*.json' -newer $(LOCAL)/figures/dnsnmf_fig9.png | head -1)" ]; then exit $$code; fi; \
	$(PLOT) deep_kl_fig2 $(ABUNDANCES) dnsnmf_fig9 deep_loss && exit $$code

# Whole tables alone: a part, or one with other settings, has another name.
publish: ## copy whole tables, figures and rankings from results/local to results, where they are tracked
	@mkdir -p results/tables results/figures results/arena
	@for name in orl $(TABLES); do \
	  for file in $(LOCAL)/tables/$$name.csv $(LOCAL)/tables/$$name.md $(LOCAL)/tables/$$name.tex; do \
	    if [ -e "$$file" ]; then cp "$$file" results/tables/ && echo "results/tables/$${file##*/}"; fi; \
	  done; \
	done
	@for file in $(LOCAL)/figures/*.png $(LOCAL)/figures/*.pdf $(LOCAL)/figures/*.csv; do \
	  if [ -e "$$file" ]; then cp "$$file" results/figures/ && echo "results/figures/$${file##*/}"; fi; \
	done
	@for file in $(LOCAL)/arena/lite*.* $(LOCAL)/arena/claims_lite*.*; do \
	  case "$$file" in *_part*|*.html|*.svg) ;; *) if [ -e "$$file" ]; then cp "$$file" results/arena/ && echo "results/arena/$${file##*/}"; fi ;; esac; \
	done

table2 table3a table3b table4: .venv/.installed-run ## the tables of the WNNF paper
	@$(RUN) experiment=wnnf_$@

wnnf-other: .venv/.installed-run ## its methods on the reduced AR faces and on CNN features of Office
	@$(RUN) experiment=wnnf_other

dnsnmf-tables: .venv/.installed-run ## Tables I to III of the dnsNMF paper, accuracy against depth (its Fig. 9)
	@$(RUN) experiment=dnsnmf_tables,dnsnmf_depth
	@$(PLOT) dnsnmf_fig9

deep-kl-table: .venv/.installed-run ## Table 2 of the deep KL-NMF paper, error against iterations (its Fig. 2)
	@$(RUN) experiment=deep_kl_table2,deep_kl_cbcl
	@$(PLOT) deep_kl_fig2

neural-table: .venv/.installed-run ## Table 1 of the Neural NMF paper
	@$(RUN) experiment=neural_table1
	@$(PLOT) neural_unsupervised neural_semisupervised

hyperspectral: .venv/.installed-run ## unmixing of Samson, Moffett and Tumor, as in the deep KL-NMF paper, with abundance maps
	@$(RUN) experiment=hyperspectral
	@$(PLOT) $(ABUNDANCES)

topics: .venv/.installed-run ## which topics of TDT2 and of 20 newsgroups merge, as in the deep KL-NMF paper
	@$(RUN) experiment=topics,topics_news20

showcase: .venv/.installed-run ## the example of the survey on deep matrix factorizations
	@$(RUN) experiment=showcase

# One seed of what the figures show of the WNNF paper's tables; `nmfbench plot` names the runs of each figure.
FIGURES := "wnnf_table2 solver=wnnf seeds=1" "wnnf_table3a dataset=orl solver=wnnf,mu seeds=1" \
  "wnnf_table4 solver=wnnf_deconv seeds=1" dnsnmf_cbcl dnsnmf_depth deep_kl_cbcl deep_kl_tdt2 hyperspectral deep_loss \
  neural_table1 urban_synthetic scaling truth corruption

figures: .venv/.installed-run ## the figures of the papers, in results/local/figures
	@for runs in $(FIGURES); do $(RUN) experiment=$$runs || exit; done
	@$(PLOT) --all

arena: .venv/.installed-run ## every method on the fifteen sets of the lite arena, and the claims; hours
	@.venv/bin/nmfbench arena --lite $(if $(JOBS),jobs=$(JOBS)) && .venv/bin/nmfbench claims --lite $(if $(JOBS),jobs=$(JOBS))

smoke: .venv/.installed-run ## every solver on small data, a few iterations each: does all of it run?
	@rm -rf $(LOCAL)/smoke
	@$(RUN) experiment=smoke results_dir=$(LOCAL)/smoke

# The machine must be idle: they refuse where other processes take more than a tenth of it.
bench: .venv/.installed-dev ## speed, memory, time to the answer and growth, in results/bench; an hour and a half
	@for script in speed processes reach sparse scale; do .venv/bin/python benchmarks/$$script.py || exit; done
	@.venv/bin/python benchmarks/clustering.py

bench-quick: .venv/.installed-dev ## every solver against its floor and other libraries, on multi-feature; three minutes
	@.venv/bin/python benchmarks/speed.py --quick

test: .venv/.installed-dev ## the tests
	@.venv/bin/python -m pytest -n auto

# Exit code 5 says that no test is marked so.
test-slow: .venv/.installed-dev ## the tests that take minutes
	@.venv/bin/python -m pytest -m slow || [ $$? -eq 5 ]

lint: .venv/.installed-dev ## ruff and mypy
	@.venv/bin/python -m ruff check .
	@.venv/bin/python -m ruff format --check .
	@.venv/bin/python -m mypy

# Pages are made from code, configs and results/ on the way: docs/generate.
docs: .venv/.installed-docs ## the documentation, in site/; open site/index.html
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs build --strict --quiet
	@echo "built: site/index.html"

docs-serve: .venv/.installed-docs ## the same on http://127.0.0.1:8000, built again at every change
	@NO_MKDOCS_2_WARNING=1 .venv/bin/python -m mkdocs serve

clean: ## remove .venv, caches and builds; results stay
	@rm -rf .venv build dist site .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@for folder in nmfbench tests benchmarks; do \
	  if [ -d "$$folder" ]; then find "$$folder" -name __pycache__ -type d -prune -exec rm -rf {} +; fi; \
	done

# A stamp is touched last, so an interrupted install is taken up again; it is older than a later change of what it was
# made from, so that change is installed.
.venv/.installed-run: pyproject.toml constraints.txt .venv/.torch-$(TORCH)
	@if [ -e $@ ]; then echo "bringing .venv up to date …"; fi
	@$(INSTALL) -e ".[arena]" $(OR_SAY_WHERE)
	@touch $@

.venv/.installed-dev: pyproject.toml constraints.txt .venv/.torch-$(TORCH)
	@echo "installing the development tools into .venv …"
	@$(INSTALL) -e ".[dev]" $(OR_SAY_WHERE)
	@$(INSTALL) -e ".[oracles]" 2>/dev/null || echo "without other people's programs to compare with: those tests are skipped"
	@touch .venv/.installed-run $@

.venv/.installed-docs: pyproject.toml constraints.txt .venv/.torch-$(TORCH)
	@echo "installing what builds the documentation into .venv …"
	@$(INSTALL) -e ".[docs]" $(OR_SAY_WHERE)
	@touch .venv/.installed-run $@

# True if .venv holds a whole torch of that version and kind.
HAS_TORCH = .venv/bin/python -W ignore -c 'import sys, torch; \
sys.exit(torch.__version__.partition("+")[0] != "$(TORCH_VERSION)" or (torch.version.cuda is None) != ("$(TORCH)" == "cpu"))' \
2>/dev/null

.venv/.torch-cpu .venv/.torch-cuda: constraints.txt
	@if .venv/bin/python -c 'import pip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then :; else \
	  chosen=; found=; \
	  for python in "$(PYTHON)" $(OTHERS); do \
	    if "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then \
	      chosen=$$python; break; \
	    fi; \
	    found="$$found; $$python is $$("$$python" --version 2>/dev/null || echo not there)"; \
	  done; \
	  if [ -z "$$chosen" ]; then \
	    echo "nmfbench needs Python 3.11, 3.12 or 3.13$$found." >&2; \
	    echo "Name one that is installed: make PYTHON=/path/to/python3.12 …" >&2; \
	    exit 1; \
	  fi; \
	  "$$chosen" -m venv --clear .venv; \
	fi
	@if $(HAS_TORCH); then :; else \
	  echo "installing into .venv (once, about 3 minutes) …"; \
	  $(GET_TORCH_$(TORCH)) || { \
	    echo "torch $(TORCH_VERSION) ($(TORCH)) could not be installed: .venv/install.log says why." >&2; \
	    echo "Set pip up for your proxy or mirror (pip config set global.index-url URL) and run make again," >&2; \
	    echo "or install it by hand first: .venv/bin/pip install torch==$(TORCH_VERSION)" >&2; \
	    exit 1; \
	  }; \
	fi
	@rm -f .venv/.torch-*
	@touch $@

# On macOS every build is for the CPU. On Linux the usual one brings gigabytes of CUDA, and where the others are found
# is known to a machine's own pip settings or to uv.
GET_TORCH_cpu = if [ "$$(uname -s)" = Darwin ]; then $(INSTALL) "torch==$(TORCH_VERSION)"; \
	  elif $(INSTALL) "torch==$(TORCH_VERSION)+cpu" >/dev/null 2>&1; then :; \
	  else $(INSTALL) uv && $(call UV_TORCH,cpu); fi
GET_TORCH_cuda = { $(INSTALL) uv && $(call UV_TORCH,auto); }
# --reinstall-package, because one kind of a version passes for the other.
UV_TORCH = .venv/bin/uv pip install --quiet --python .venv/bin/python --torch-backend=$(1) --reinstall-package torch \
	  -c constraints.txt "torch==$(TORCH_VERSION)"
