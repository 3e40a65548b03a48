# Everything that a contributor or an operator does from a checkout. `make` alone lists it.
# Rust is presumed; whatever else a target needs, it installs itself (tests/setup).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-package test-boot test-terraform test-aws lint bench bench-sync soak fuzz deb apt-repo clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
	  while IFS=$$'\t' read -r target text; do printf '  make %-14s %s\n' "$$target" "$$text"; done

setup: ## install what the rest needs from Debian 12 or 13; nothing to do when it is there
	@tests/setup

demo: setup ## play real music to an RTMP server on this machine, and say where to watch
	@cargo build --release --quiet
	@tests/demo/run

test: setup lint ## everything that must hold before a change is merged
	@tests/suites
	@tests/dependencies
	@tests/terraform/run
	@$(MAKE) --no-print-directory test-package test-boot

test-package: ## the package on Debian 12 and 13, booted, with another host as the ingest (root)
	@tests/setup --package
	@tests/package/run

test-boot: ## from power-on to on air by Terraform's user data, and on to a successor (root, terraform)
	@tests/boot/run

test-aws: ## the laws of stores against a real bucket: NONSTOP_TEST_BUCKET=name (docs/aws.md)
	@: "$${NONSTOP_TEST_BUCKET:?names the bucket to test in; docs/aws.md says what is done in it}"
	cargo test --test aws -- --ignored account

test-terraform: setup ## terraform/ without an account: types, assertions, user data, checkov
	@tests/terraform/run
	cargo test --quiet --test terraform

lint: ## formatting, and clippy with warnings denied
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

bench: setup ## nonstop beside FFmpeg, in one run: CPU, memory, time to air
	cargo bench --bench side_by_side

bench-sync: setup ## the first sync of a bucket beside aws s3 sync and rclone, as far as they are installed
	MOTO_S3_DEFAULT_KEY_BUFFER_SIZE=65536 cargo bench --bench first_sync

soak: setup ## the whole-daemon tests, longer and with many seeds (some hours)
	SIMULATION_SEEDS=3000 cargo test --release --test simulation
	NONSTOP_SOAK=1 cargo test --test on_air
	PROPTEST_CASES=20000 cargo test --release --lib handover::
	NONSTOP_SOAK=1 cargo test --test handover -- --include-ignored --nocapture --test-threads 2

fuzz: ## fuzz every parser of foreign bytes, FUZZ_SECONDS (60) each (needs cargo-fuzz, nightly Rust)
	@tests/fuzz/run

deb: setup ## build the Debian package: target/debian/nonstop_*.deb
	@packaging/deb

apt-repo: setup ## put that into a signed apt repository: apt/ (APT="--url … --key …")
	@package=$$(packaging/deb) && packaging/apt-repo $(APT) "$$package"

clean: ## remove what was built
	cargo clean
