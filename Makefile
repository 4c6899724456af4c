# A thin front of CMake: the presets in CMakePresets.json are the build, this saves typing.
# `make` lists what there is.

SHELL := /bin/bash
JOBS ?= $(shell nproc)
# Configure preset of build/: release, or ci (the same with warnings as errors).
TANDEM_PRESET ?= release
export PROMPT ?= Tell me a story about a fox named Leo.

deps = tools/install-deps.sh
sources = $(shell find $(wildcard include src tests bench tools fuzz examples) -name '*.h' -o -name '*.cc')
# A first `make build` or `make run` needs nothing of the tests.
without_tests = $(if $(wildcard build/CMakeCache.txt),,-DTANDEM_BUILD_TESTS=OFF)
configure = cmake --preset $(1) --log-level=WARNING >/dev/null
compile = cmake --build $(1) --parallel $(JOBS)
run-tests = ctest --preset $(1) --parallel $(JOBS)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

.PHONY: deps
deps: ## Install the apt packages that everything below needs
	@$(deps) build test lint bench

.PHONY: build
build: ## Install what is missing and build build/tandem and the library
	@$(deps) build
	@tools/fetch-glslc.sh
	@$(call configure,$(TANDEM_PRESET) $(without_tests))
	@$(call compile,build) --target product

.PHONY: run
run: ## Build, then answer PROMPT="..." with the built-in model
	@$(MAKE) --no-print-directory build >&2
	@build/tandem run -p "$$PROMPT"

.PHONY: chat
chat: ## Build, fetch Gemma 3 270M (asks first; YES=1 agrees), chat with it
	@$(MAKE) --no-print-directory build >&2
	@$(deps) chat
	@tools/chat-gemma3.sh build

.PHONY: tests
tests: # Everything that is not optional, in build/
	@$(deps) build test
	@tools/fetch-glslc.sh
	@tools/fetch-xrt.sh >/dev/null || true # with a line that says why
	@$(call configure,$(TANDEM_PRESET) -DTANDEM_BUILD_TESTS=ON)
	@$(call compile,build)

.PHONY: test
test: tests ## Install what is missing, build, run the tests (fast and slow)
	@$(call run-tests,$(TANDEM_PRESET))

.PHONY: test-fast
test-fast: tests ## The same with the fast tests only
	@$(call run-tests,$(TANDEM_PRESET)) -L '^fast$$'

.PHONY: npu-xrt-test
npu-xrt-test: ## AMD's real XRT (fetched aside, 40 MB) on the emulated NPU: the whole way to it
	@$(deps) build test
	@tools/fetch-xrt.sh >/dev/null
	@$(call configure,$(TANDEM_PRESET) -DTANDEM_BUILD_TESTS=ON)
	@$(call compile,build) --target tandem npu_xrt_gate tandem_npu_xrt
	@tests/devices/xrt_gate.sh build

.PHONY: accuracy
accuracy: tests ## Exact replies of fable in every weight type (SEED=20261123), minutes
	@tools/measure-accuracy.sh build

.PHONY: bench
bench: ## Build and run the micro-benchmarks (BENCH=regular expression of names)
	@$(deps) build bench
	@tools/fetch-glslc.sh
	@$(call configure,$(TANDEM_PRESET) $(without_tests) -DTANDEM_BUILD_BENCH=ON)
	@$(call compile,build)
	@for program in build/bench/*; do [[ ! -f $$program || ! -x $$program ]] || $$program $(if $(BENCH),--benchmark_filter='$(BENCH)') || exit; done

.PHONY: compare
compare: ## Tandem and llama.cpp on one file, in turn (MODEL=..., ROUNDS=5)
	@$(deps) build compare
	@$(call configure,$(TANDEM_PRESET) $(without_tests))
	@$(call compile,build) --target product $(if $(MODEL),,random-model)
	@tools/compare-llama.sh build

.PHONY: format
format: ## Format every C++ file in place
	@$(deps) lint
	@clang-format-14 -i $(sources)

.PHONY: format-check
format-check: ## Say which files make format would change
	@$(deps) lint
	@clang-format-14 --dry-run --Werror $(sources)

.PHONY: lint
lint: tests ## clang-tidy on what changed since main (ALL=1: on everything)
	@$(deps) lint
	@tools/lint.sh $(if $(ALL),--all)

.PHONY: test-asan
test-asan: ## The fast tests under AddressSanitizer and UBSan
	@$(deps) build test lint
	@$(call configure,asan)
	@$(call compile,build-asan) --target fast-tests
	@$(call run-tests,asan) -L '^fast$$'

# ThreadSanitizer of GCC 12 cannot start where the kernel spreads addresses too widely.
fixed_addresses = $(shell setarch -R true 2>/dev/null && echo setarch -R)

.PHONY: test-tsan
test-tsan: ## The tests that use threads, under ThreadSanitizer
	@$(deps) build test
	@$(call configure,tsan)
	@$(call compile,build-tsan) --target threaded-tests
	@$(fixed_addresses) $(call run-tests,tsan) -L '^threaded$$'

.PHONY: test-clang
test-clang: ## The fast tests, built by the second compiler
	@$(deps) build test lint
	@$(call configure,clang)
	@$(call compile,build-clang)
	@$(call run-tests,clang) -L '^fast$$'

# Seconds that make fuzz gives each target.
SECONDS_EACH ?= 600

.PHONY: fuzz-targets
fuzz-targets: # The fuzz targets, in build-asan/
	@$(deps) build test lint
	@$(call configure,asan)
	@$(call compile,build-asan) --target fuzz-targets

.PHONY: fuzz
fuzz: fuzz-targets ## Fuzz each target in turn (SECONDS_EACH=600)
	@fuzz/run.sh build-asan $(SECONDS_EACH)

.PHONY: fuzz-smoke
fuzz-smoke: fuzz-targets ## The same for 5 seconds each
	@fuzz/run.sh build-asan 5

.PHONY: nightly
nightly: ## The slow checks: lint over everything, clang, TSan, fuzzing, long tests
	@$(MAKE) --no-print-directory lint ALL=1
	@$(MAKE) --no-print-directory test-clang
	@$(MAKE) --no-print-directory test-tsan
	@$(MAKE) --no-print-directory fuzz
	@$(deps) package
	@ctest --test-dir build --output-on-failure --parallel $(JOBS) -L '^long$$'

.PHONY: npu-kernels
npu-kernels: ## Build the NPU's xclbins with MLIR-AIE and Peano (GENERATION=npu1, OUT=folder, DRY_RUN=1)
	@[[ -n "$(DRY_RUN)" && -x build/tandem ]] || $(MAKE) --no-print-directory build >&2
	@GENERATION="$(GENERATION)" DRY_RUN="$(if $(DRY_RUN),1)" tools/npu-kernels.sh build/tandem \
	  "$(or $(OUT),$${TANDEM_NPU_KERNELS:-$${XDG_DATA_HOME:-$$HOME/.local/share}/tandem/npu})" $(DESIGNS)

.PHONY: mlir-check
mlir-check: tests ## The NPU designs' text before a stock mlir-opt (fetched aside, 100 MB)
	@tools/fetch-mlir.sh
	@cd tests && ../build/tests/npu_designs_test --gtest_filter='NpuMlir.*'

.PHONY: install
install: ## Install what make build left (PREFIX=/usr/local, DESTDIR)
	@[[ -x build/tandem ]] || { echo "nothing to install yet: run make build first" >&2; exit 1; }
	@cmake --install build $(if $(PREFIX),--prefix $(PREFIX))
	@[[ -n "$(DESTDIR)" || $$EUID -ne 0 ]] || ldconfig

.PHONY: package
package: ## Debian packages and a tar.xz for other systems, in build-package/packages/
	@$(deps) build package
	@$(call configure,package)
	@$(call compile,build-package) --target product
	@cmake --build build-package --target package >/dev/null
	@ls -sh build-package/packages/*.deb build-package/packages/*.tar.xz

.PHONY: clean
clean: ## Remove every build folder
	rm -rf build build-*
