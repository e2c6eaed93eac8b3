# Two commands matter: `make book` reads the book, `make test` proves it. Needs Python 3.11 or later.
PYTHON ?= python3
# An index of torch wheels, for instance https://download.pytorch.org/whl/cpu for a build without CUDA; its 2.13.0+cpu counts
# as newer than PyPI's 2.13.0. Empty: PyPI's.
TORCH_INDEX ?=
# The torch of the Colab-version run.
COLAB_TORCH ?= torch
# One section of the benchmarks, for instance `make bench ONLY=panels`.
ONLY ?=

BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
COLAB := .venv-colab/bin/python -m pip install --quiet --disable-pip-version-check
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
PYTEST := $(BIN)/python -m pytest

# A variable of the environment serves as well: TORCH_INDEX=... make book.
.PHONY: setup html book lab check test test-full notebooks bench zoo colab gpu-test clean
.DEFAULT_GOAL := book

setup: .venv/book.done

html: .venv/book.done
	$(BIN)/jupyter-book build . -W -n --keep-going -q

book: html
	$(BIN)/python tools/serve.py _build/html

lab: .venv/book.done
	$(BIN)/jupyter lab --ServerApp.root_dir=. notebooks/01_patches.ipynb

check: .venv/test.done
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(PYTEST) -q -m "not slow and not site and not full and not gpu"

test: .venv/test.done .venv-colab/done
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(PYTEST) -m "not full and not gpu"

test-full: .venv/test.done .venv-colab/done
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	HYPOTHESIS_PROFILE=long $(PYTEST) -m "not gpu"

colab: .venv/test.done .venv-colab/done
	$(PYTEST) -m colab

notebooks: .venv/book.done
	$(BIN)/python tools/notebooks.py

bench: .venv/test.done
	$(BIN)/python -m benchmarks $(ONLY)

zoo: .venv/book.done
	$(BIN)/python tools/zoo.py

gpu-test: .venv/test.done
	$(BIN)/python tools/require_cuda.py
	$(PYTEST) -m "gpu or (notebook and not full)"

clean:
	rm -rf _build build dist *.egg-info .venv .venv-colab .pytest_cache .ruff_cache .hypothesis

# Stamps: a second run reinstalls nothing. torch is a step of its own, so that no other package chooses its build.
.venv/torch.done: constraints.txt
	$(PYTHON) tools/require_python.py
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(INSTALL) $(INDEX) torch
	touch $@

.venv/book.done: .venv/torch.done pyproject.toml
	$(INSTALL) --editable '.[lessons,book]'
	touch $@

.venv/test.done: .venv/book.done
	$(INSTALL) --editable '.[test]'
	$(BIN)/python tools/browser.py install
	$(BIN)/python tools/tesseract.py install
	touch $@

.venv-colab/done: constraints-colab.txt constraints.txt
	$(PYTHON) tools/require_python.py
	test -x .venv-colab/bin/python || $(PYTHON) -m venv .venv-colab
	$(COLAB) $(INDEX) --constraint $(if $(filter torch,$(COLAB_TORCH)),constraints.txt,constraints-colab.txt) $(COLAB_TORCH)
	$(COLAB) --requirement constraints-colab.txt
	touch $@
