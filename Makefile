# SPDX-License-Identifier: GPL-3.0-or-later

SWIFT ?= swift
DESTDIR ?=
PREFIX ?= /usr
SEEDS ?= 100000
ONLY ?=
SERIES ?=

# The only place for the flags: `run`, `test`, `bench` and `install` all use the binary that `build` makes.
# The binary contains all of Swift, so that it does not depend on libraries beside it.
RELEASE = -c release --static-swift-stdlib --disable-local-rpath --product crd

export SWIFT DESTDIR PREFIX ONLY

.DEFAULT_GOAL := help
.PHONY: help run test test-kernels build bench soak lint format install uninstall deb clean need-swift need-packages
.NOTPARALLEL:

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

run: build ## build, then run the daemon in the foreground on the modules in examples/
	@scripts/run

test: need-swift ## install what the tests need, build, run every test
	@scripts/packages test
	@scripts/test $(RELEASE)

test-kernels: build ## boot Debian's kernels in qemu and test the daemon on them, within 15 minutes (SERIES=6.1: only that one)
	@scripts/test-kernels $(SERIES)

build: need-swift need-packages ## build the release binary, .build/release/crd, with Swift linked statically
	$(SWIFT) build $(RELEASE)

bench: build ## measure against C floors that it also builds (ONLY=pool: only that row file)
	@Benchmarks/run

soak: need-swift need-packages ## drive the scheduler and the path source through SEEDS=100000 worlds; prints a failing one
	CRD_SOAK_SEEDS=$(SEEDS) $(SWIFT) test -c release -Xswiftc -enable-testing \
	    --scratch-path .build/soak --filter 'SchedulerSimulation|PathWorld'

lint: need-swift ## run the formatter's strict lint, and shellcheck if it is installed
	$(SWIFT) format lint --strict -r Sources Tests Package.swift
	@if command -v shellcheck >/dev/null 2>&1; then scripts/lint-shell; fi

format: need-swift ## reformat the Swift sources
	$(SWIFT) format --in-place -r Sources Tests Package.swift

install: ## install under DESTDIR= PREFIX=/usr; keeps an existing /etc/CRD/crd.conf
	@[ -x .build/release/crd ] || $(MAKE) --no-print-directory build
	@scripts/install

uninstall: ## remove the installed files; keeps modules, state and a changed crd.conf
	@scripts/uninstall

deb: build ## build a Debian package in .build/ (VERSION=, OUTPUT=) for dpkg and apt; does not need root
	@scripts/packages deb
	@scripts/deb

clean: ## remove everything that was built, and the files of `make run`; keeps your modules in .run/
	rm -rf .build
	@scripts/run clean

need-swift:
	@scripts/need-swift '$(SWIFT)'

need-packages:
	@scripts/packages build
