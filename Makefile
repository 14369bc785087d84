# Thin over CMakePresets.json and scripts/: `make help` lists what there is.
.DEFAULT_GOAL := build/tieline
.PHONY: help setup build/tieline test faults demo lint format bench bench-map asan tsan fuzz compile-budget clean

JOBS ?= $(shell nproc)

help:  ## lists the targets
	@awk -F ':.*## ' '/^[a-z\/-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

setup:  ## installs what building and testing needs (apt, npm); silent when nothing is missing
	@scripts/setup

build/CMakeCache.txt: | setup
	@cmake --preset release > build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log

build/tieline: setup build/CMakeCache.txt  ## builds the program
	@cmake --build --preset release --target tieline -j $(JOBS)

test: setup build/CMakeCache.txt  ## builds and runs all tests
	@scripts/setup test
	@cmake --build --preset release -j $(JOBS)
	@scripts/test

faults: setup build/CMakeCache.txt  ## the program under each fault, judged by an outside recorder; CASE=NAME ROUNDS=N SEED=N
	@cmake --build --preset release -j $(JOBS) --target tieline faults
	@node tests/faults/run.mjs

demo: build/tieline  ## 200 signed Shopify orders become HubSpot deals; KEEP=1 goes on running
	@build/tieline demo $(if $(KEEP),--keep) $(DEMO_FLAGS)

lint: setup  ## format, layers and the checked rules of STYLE.md
	@tools/tidy

format: setup  ## formats the C++ sources in place
	@tools/tidy --format

bench: build/tieline  ## measures beside nginx, Node-RED and our own door with the store off
	@scripts/setup bench
	@cmake -S . -B build -DTIELINE_BENCH=ON > /dev/null && cmake --build --preset release -j $(JOBS)
	@bench/run $(BENCH_FLAGS)

bench-map: build/tieline  ## measures `tieline map` beside jq and gojq, and the language beside libjq
	@scripts/setup bench
	@cmake -S . -B build -DTIELINE_BENCH=ON > /dev/null && cmake --build --preset release --target map_bench -j $(JOBS)
	@bench/map $(BENCH_FLAGS)

asan: setup  ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@cmake --preset asan > /dev/null && cmake --build --preset asan -j $(JOBS)
	@scripts/test build/asan

tsan: setup  ## the tests of what crosses threads under ThreadSanitizer
	@cmake --preset tsan > /dev/null && cmake --build --preset tsan -j $(JOBS) --target store_test http_test
	@scripts/test build/tsan 'store_test|http_test'

compile-budget: setup  ## measures a clean build and the edit of one step, and fails over budget
	@tools/compile-budget

fuzz: setup  ## runs the fuzz targets on their kept corpus; SECONDS_EACH=10, or RUNS=N
	@cmake --preset fuzz > /dev/null && cmake --build --preset fuzz -j $(JOBS) > build/fuzz/build.log || { cat build/fuzz/build.log; false; }
	@scripts/fuzz

clean:  ## removes what was built
	@rm -rf build
