PYTHON ?= python3
BIN := .venv/bin

.PHONY: help install hooks demo stop test coverage test-cluster lint lock schemas pipelines charts images
help:            ## this list
	@grep -E '^[a-z-]+: *.*##' Makefile | sed -E 's/: *[^#]*##/\t/' | expand -t 16

install: .venv/installed  ## the virtual environment, from requirements.lock
.venv/installed: requirements.lock pyproject.toml
	@echo "installing about 180 packages into .venv: one to three minutes"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

hooks: install   ## let Git run `make lint` before each commit
	$(BIN)/pre-commit install

demo: install    ## the whole loop on this machine, on real flights; starts clean, keeps an earlier state aside
	$(BIN)/titlebout demo

stop: install    ## stop everything that the demo, `titlebout up` or `titlebout release` started
	$(BIN)/titlebout down

lint: install    ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two workers; a file's tests stay together, since they share servers.
PARALLEL ?= -n 2 --dist loadfile
TEST = $(BIN)/pytest $(PARALLEL) --ignore tests/cluster
test: lint       ## lint, then every test that needs no cluster
	$(TEST)

coverage: lint   ## the same with branch coverage in .coverage/, 10 to 20 % more CPU: what CI runs
	$(TEST) --cov --cov-report=html --cov-report=xml
	$(BIN)/coverage report >.coverage/summary.txt
	grep TOTAL .coverage/summary.txt

test-cluster: install  ## every test that needs a cluster, on the one of KUBECONFIG; builds and pushes its own images
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pytest --verbose tests/cluster

COMPILE = $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --quiet
lock: install    ## remake every lock: newest versions, all platforms, hashed, no index URL; the images' have no development tools
	$(COMPILE) --upgrade pyproject.toml --group dev --output-file requirements.lock
	echo hatchling | $(COMPILE) --constraint requirements.lock pyproject.toml - --output-file images/platform/requirements.lock
	$(BIN)/python -c "from titlebout.packaging.requirements import *; print(*SERVES, sep='\n')" | $(COMPILE) --constraint requirements.lock - --output-file images/serving/onnx.lock
	$(BIN)/python -c "from titlebout.packaging.requirements import *; print(*SERVES, *SERVES_SKLEARN, sep='\n')" | $(COMPILE) --constraint requirements.lock - --output-file images/serving/sklearn.lock
	echo cyclonedx-bom | $(COMPILE) --upgrade - --output-file images/serving/sbom.lock

pipelines: install  ## compile the KFP pipelines to pipelines/*.yaml
	$(BIN)/python -m pipelines.training

schemas: install ## the JSON Schemas in docs/schemas/
	$(BIN)/python -c "from pathlib import Path; from titlebout.spec.json_schemas import write_schemas; write_schemas(Path('docs/schemas'))"

charts: install  ## the charts' README files, from their values
	$(BIN)/python helm/readme.py

IMAGES ?= localhost:5000/titlebout
PYTHON_IMAGE ?= docker.io/library/python:3.11-slim
images: install  ## build the images and push them to IMAGES; their digests go to images/digests.json
	$(BIN)/python images/build.py --repository $(IMAGES) --python $(PYTHON_IMAGE)
