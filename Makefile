# `make` alone lists the targets. Everything needs Go and git; demo, dev and
# test need PostgreSQL's binaries, too, test and conformance Node; they say how to get them.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.NOTPARALLEL:

GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
WORKFLOWCHECK := go.temporal.io/sdk/contrib/tools/workflowcheck@v0.6.0
TOOLS := $(CURDIR)/.cache/bin

# The race detector needs cgo, and that a C compiler. Everything that ships is
# built without.
RACE := $(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo -race)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: postgres build ## Do the main job once on a fresh stack, and exit
	@bin/devstack demo

.PHONY: dev
dev: postgres build ## Bring the stack up and keep it up; state survives in .debrief/
	@exec bin/devstack up

.PHONY: test
test: postgres chromium devstack/oidc/node_modules/.package-lock.json devstack/browser/node_modules/.package-lock.json devstack/inspector/node_modules/.package-lock.json conformance/node_modules/.package-lock.json ## Run every test
	@$(if $(RACE),,echo 'There is no C compiler here: the tests run without the race detector.' >&2)
	@$(if $(RACE),CGO_ENABLED=1) go test $(RACE) -timeout 20m ./...
	@mkdir -p bin && $(if $(RACE),CGO_ENABLED=1,CGO_ENABLED=0) go build $(RACE) -o bin/debrief-test ./cmd/debrief
	@# Go's cache of test results cannot see that the binary changed. These tests wait
	@# more than they work, so more of them run than there are cores.
	@cd devstack && DEBRIEF_BINARY='$(CURDIR)/bin/debrief-test' CGO_ENABLED=0 go test -count=1 -timeout 20m -parallel 6 ./...

.PHONY: conformance
conformance: postgres conformance/node_modules/.package-lock.json ## Run HubSpot's own Node client against the simulator
	@CGO_ENABLED=0 go build -o bin/hubspotsim ./cmd/hubspotsim
	@node conformance/run.mjs bin/hubspotsim

.PHONY: runs
runs: postgres build ## Record docs/runs anew
	@cd devstack && DEBRIEF_RUNS='$(CURDIR)/docs/runs' CGO_ENABLED=0 go test -count=1 ./e2e -run Recorded

# Too long for every day; a release has seen them.
.PHONY: fuzz duplicates
fuzz: ## Fuzz every parser and verifier, two minutes a target
	@for package in ./hubspot ./webhooks; do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    go test -run '^$$' -fuzz "^$$target$$" -fuzztime 2m -fuzzminimizetime 1x $$package || exit 1; \
	  done; \
	done

duplicates: postgres ## Cut every kind of create 200 times in every place
	@$(if $(RACE),CGO_ENABLED=1) go test $(RACE) -count=1 -timeout 60m -run TestExactlyOneRecord ./crm -args -tries=200

.PHONY: chaos
chaos: postgres build ## Break everything under load, and audit what is left; SEED= and DURATION= repeat a run
	@cd devstack && CGO_ENABLED=0 go build -o ../bin/chaos ./cmd/chaos
	@bin/chaos $(if $(SEED),--seed '$(SEED)') $(if $(DURATION),--duration '$(DURATION)')

# Some ten minutes: fifteen small worlds, three at a time.
.PHONY: sabotage
sabotage: postgres build ## Break each promise on purpose in a test build: the audit of chaos has to say so
	@cd devstack && CGO_ENABLED=0 go test -tags sabotage -count=1 -v -timeout 40m -run 'TestTheAudit|TestSeeds' ./chaos

.PHONY: eval
eval: ## Measure the planners on the meetings of planner/eval
	@CGO_ENABLED=0 go run ./planner/eval/measure $(if $(TUNED),-tuned,-json bench/results/eval.json) $(if $(V),-v) $(if $(ENDPOINT),-endpoint '$(ENDPOINT)' -kind '$(or $(KIND),openai)' -model '$(MODEL)' $(if $(KEY_FILE),-key-file '$(KEY_FILE)'))

# One alone: make bench ITEM=overhead, and smaller: make bench ITEM=waiting ARGS='--whole 100'.
BENCH := intake overhead calls waiting fairness growth briefings
.PHONY: bench
bench: ## Measure everything, each item into bench/results/, or one alone by ITEM=
	@for item in $(or $(ITEM),$(BENCH)); do $(MAKE) --no-print-directory bench-$$item || exit 1; done

.PHONY: bench-overhead bench-calls bench-waiting bench-fairness bench-growth
bench-overhead bench-calls bench-waiting bench-fairness bench-growth: postgres build
	@cd devstack && CGO_ENABLED=0 go build -o ../bin/bench ./cmd/bench
	@bin/bench $(@:bench-%=%) $(ARGS)

.PHONY: bench-intake
bench-intake: postgres build ## Measure how fast webhooks are taken in, beside pgbench
	@cd devstack && CGO_ENABLED=0 go build -o ../bin/intake ./cmd/intake
	@bin/intake

.PHONY: bench-briefings
bench-briefings: postgres build ## Measure what briefs cost that wait, and a crowded minute
	@cd devstack && CGO_ENABLED=0 go build -o ../bin/briefings ./cmd/briefings
	@bin/briefings

.PHONY: lint
lint: $(TOOLS)/golangci-lint $(TOOLS)/workflowcheck ## Check style, import rules and workflow determinism
	@'$(TOOLS)/golangci-lint' run ./...
	@'$(TOOLS)/workflowcheck' ./workflows/...
	@cd devstack && CGO_ENABLED=0 go vet ./...

.PHONY: build
build: ## Build bin/debrief and bin/devstack (about six minutes the first time)
	@devstack/build.sh

.PHONY: clean
clean: ## Forget the state of `make dev`, and what was built
	@if [ -x bin/devstack ]; then bin/devstack clean; fi
	@rm -rf bin .debrief .cache conformance/node_modules devstack/oidc/node_modules devstack/browser/node_modules devstack/inspector/node_modules

# Looked for before anything is built for minutes.
.PHONY: postgres chromium
postgres:
	@CGO_ENABLED=0 go run ./internal/pgserver/find >/dev/null
chromium:
	@command -v chromium >/dev/null || { echo 'The browser tests need Chromium: apt-get install chromium' >&2; exit 1; }

# npm writes that file last; an install that broke off is done again.
%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	@command -v npm >/dev/null || { echo 'The tests in $* need Node: apt-get install nodejs npm' >&2; exit 1; }
	@cd '$*' && npm ci --no-audit --no-fund --loglevel=error

$(TOOLS)/golangci-lint:
	@GOBIN='$(TOOLS)' CGO_ENABLED=0 go install $(GOLANGCI_LINT)

$(TOOLS)/workflowcheck:
	@GOBIN='$(TOOLS)' CGO_ENABLED=0 go install $(WORKFLOWCHECK)
