# The commands of this project. Each target is one script; `make` alone lists them.

.PHONY: help run test bench coverage build setup clean

help:   ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

run:    ## set up what is missing, then see the main job done on Docker (about a minute after the first build)
	@tests/scripts/setup.sh
	@tests/scripts/build.sh
	@docker/quickstart/demo.sh

test:   ## set up what is missing, then run everything that guards the project
	@tests/scripts/setup.sh
	@tests/scripts/test.sh

bench:  ## measure throughput, memory and start-up against this machine's ceiling
	@tests/scripts/setup.sh
	@tests/scripts/build.sh
	@tests/scripts/bench.sh

coverage: ## write what the program serves into the README's table of operations
	@tests/scripts/coverage.sh

build:  ## the release binary, target/release/sealdock
	@tests/scripts/build.sh

setup:  ## only what the other targets need: packages, Rust, a Python environment in .venv
	@tests/scripts/setup.sh

clean:  ## remove what was built
	@rm -rf target .venv .pytest_cache
