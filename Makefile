# Every target is one line in `make help`.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help run parts build playground test test-all bench generate fmt lint

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)
BUNDLE := playground/dist/app/index.html
PLAYGROUND := $(wildcard playground/src/* playground/public/* playground/examples/* playground/links/*) playground/index.html \
	playground/package.json playground/package-lock.json playground/vite.config.js playground/tsconfig.json

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## run the demo on http://127.0.0.1:8080 with the data in ./data (needs Go and Node)
	@./bin/steward serve --demo

parts: build ## run the demo on PostgreSQL, Redis, a SpiceDB server and two replicas (needs PostgreSQL and Redis)
	@go build -o bin/parts ./internal/testing/parts
	@exec ./bin/parts $(PARTS)

build: $(BUNDLE) ## build bin/steward with the playground in it
	@echo "building bin/steward; the first time this takes a few minutes, most of them for SpiceDB"
	@go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/steward ./cmd/steward

playground: ## bundle the playground anew
	@rm -f $(BUNDLE)
	@$(MAKE) --no-print-directory $(BUNDLE)

$(BUNDLE): $(PLAYGROUND)
	@echo "bundling the playground"
	@cd playground && npm ci && npm run build

test: ## vet and run every test with the race detector; installs what is missing
	@internal/testing/run.sh

test-all: ## the same, with the whole caller matrix on every set of parts: PostgreSQL, Redis, a SpiceDB server, two replicas
	@STEWARD_TEST_FULL=1 internal/testing/run.sh

bench: ## measure what the guards of a page cost: three minutes, a table, and a line for each number
	@go run ./internal/testing/bench

generate: ## write anew what follows from the SDL and from internal/config
	@go generate ./...
	@go test ./internal/config -run TestReference -update

fmt: ## format the Go code
	@gofmt -w $$(git ls-files -co --exclude-standard '*.go')

lint: ## vet, and name files that are not formatted
	@go vet ./...
	@unformatted="$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go'))"; \
	if [ -n "$$unformatted" ]; then echo "not formatted; run make fmt:"; echo "$$unformatted"; exit 1; fi
