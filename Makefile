# Every target that a person calls has a "##" comment; `make help` is made of them.

GO       ?= go
BIN      := bin
FUZZTIME ?= 20s
COUNT    ?= 6
BENCH    ?= .
ARGS     ?=
# What is known of vulnerabilities: a version of golang.org/x/vulndb, or latest.
VULNDB   ?= v0.0.0-20261105234957-e22db6528018

.DEFAULT_GOAL := help
.PHONY: help demo test check vulncheck interop bench bench-collector lint fmt fuzz generate build clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## run the whole shop, the collector and the viewer in one process (ARGS="--rate 5")
	@mkdir -p $(BIN) && $(GO) build -o $(BIN)/demo ./cmd/demo && exec $(BIN)/demo $(ARGS)

test: ## run every test with the race detector
	$(GO) test -race -timeout 10m ./...
	cd bench/middleware && $(GO) test ./...

check: lint vulncheck ## what a change must pass beside the tests: format, vet, lint, vulnerabilities, tidy modules
	$(GO) mod tidy -diff
	cd interop && $(GO) mod tidy -diff
	cd bench/middleware && $(GO) mod tidy -diff
	$(GO) mod verify

vulncheck: $(BIN)/govulncheck ## look for known vulnerabilities in what is called (VULNDB=latest: known by now)
	@GO="$(GO)" VULNDB=$(VULNDB) tools/vulncheck

interop: ## run the shop against the real Jaeger, Prometheus and Loki, built from their modules
	cd interop && $(GO) run ./build && $(GO) test -timeout 15m ./...

bench: ## run the benchmarks COUNT times, in the form that benchstat reads (BENCH=pattern)
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) ./...

bench-collector: ## measure our collector beside the OpenTelemetry Collector, on Linux, in 9 minutes (ARGS="-rounds 3")
	$(GO) run ./bench/collector $(ARGS)

lint: $(BIN)/golangci-lint ## run the linters
	$(BIN)/golangci-lint run ./...
	cd interop && ../$(BIN)/golangci-lint run --config ../.golangci.yml ./...
	cd bench/middleware && ../../$(BIN)/golangci-lint run --config ../../.golangci.yml ./...

fmt: $(BIN)/golangci-lint ## format the tree
	$(BIN)/golangci-lint fmt

fuzz: ## run each fuzz target for FUZZTIME
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x $$pkg; \
		done; \
	done

generate: ## make again what is made: protobuf code, dashboards, references (needs protoc and its include files)
	$(GO) generate ./...

build: ## build the four commands into bin/
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/ ./cmd/...

clean: ## remove what was built
	rm -rf $(BIN)

$(BIN)/govulncheck: tools/go.mod tools/go.sum
	@mkdir -p $(BIN)
	cd tools && $(GO) build -o ../$(BIN)/govulncheck golang.org/x/vuln/cmd/govulncheck

$(BIN)/golangci-lint: tools/go.mod tools/go.sum
	@mkdir -p $(BIN)
	cd tools && $(GO) build -o ../$(BIN)/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
