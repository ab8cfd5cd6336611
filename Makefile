# SPDX-License-Identifier: GPL-3.0-or-later

SWIFT ?= swift
DESTDIR ?=
PREFIX ?= /usr
SEEDS ?= 100000
ONLY ?=
SERIES ?=

# One place for the flags: `run`, `test`, `bench` and `install` all take the binary that `build` makes.
# All of Swift is in the binary, so that it need not look for libraries where it lies.
RELEASE = -c release --static-swift-stdlib --disable-local-rpath --product crd

export SWIFT DESTDIR PREFIX ONLY

.DEFAULT_GOAL := help
.PHONY: help run test test-kernels build bench soak lint format install uninstall deb clean need-swift need-packages
.NOTPARALLEL:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

run: build ## build, then run the daemon in the foreground on the modules in examples/
	@scripts/run

test: need-swift ## install what the tests need, build, run every test
	@scripts/packages test
	@scripts/test $(RELEASE)

test-kernels: build ## boot Debian's kernels in qemu and test the daemon in there, within 15 minutes (SERIES=6.1: that one alone)
	@scripts/test-kernels $(SERIES)

build: need-swift need-packages ## the release binary, .build/release/crd, with Swift linked statically
	$(SWIFT) build $(RELEASE)

bench: build ## measure against C floors built in the same go (ONLY=pool: that row file alone)
	@Benchmarks/run

soak: need-swift need-packages ## drive the scheduler and the path source through SEEDS=100000 worlds; a failing one is printed
	CRD_SOAK_SEEDS=$(SEEDS) $(SWIFT) test -c release -Xswiftc -enable-testing \
	    --scratch-path .build/soak --filter 'SchedulerSimulation|PathWorld'

lint: need-swift ## the formatter's strict lint, and shellcheck where there is one
	$(SWIFT) format lint --strict -r Sources Tests Package.swift
	@if command -v shellcheck >/dev/null 2>&1; then scripts/lint-shell; fi

format: need-swift ## let the formatter rewrite the Swift sources
	$(SWIFT) format --in-place -r Sources Tests Package.swift

install: ## install under DESTDIR= PREFIX=/usr; an existing /etc/CRD/crd.conf is kept
	@[ -x .build/release/crd ] || $(MAKE) --no-print-directory build
	@scripts/install

uninstall: ## remove what install put there; modules, state and a changed crd.conf stay
	@scripts/uninstall

deb: build ## a Debian package in .build/ (VERSION=, OUTPUT=), which dpkg and apt install; needs no root
	@scripts/packages deb
	@scripts/deb

clean: ## remove everything built, and what `make run` made; modules of yours in .run/ stay
	rm -rf .build
	@scripts/run clean

need-swift:
	@scripts/need-swift '$(SWIFT)'

need-packages:
	@scripts/packages build
