# `make test` is what CI runs; the other targets are its parts and what daily work needs.
.PHONY: help run dev test test-long check fmt openapi bench bench-quick gate gate-write

NEXTEST := $(shell command -v cargo-nextest 2>/dev/null)
RUN_TESTS := $(if $(NEXTEST),cargo nextest run --workspace --no-fail-fast,cargo test --workspace --no-fail-fast)

help:
	@echo "make run    standalone on SQLite, http://127.0.0.1:8080"
	@echo "make dev    the services behind NGINX, on PostgreSQL and Redis"
	@echo "make test   every test of the first tier; installs missing servers where it may"
	@echo "make test-crash  replicas killed and restarted under load: five minutes; make test has a short one"
	@echo "make test-compose  the images, docker-compose.yml and deploy.sh, in a Docker engine: a quarter of an hour once compiled"
	@echo "make test-restore  back-up and restore of deploy/ec2, with servers that are lost"
	@echo "make test-upgrade  from the last release to this source and back, under load (docs/UPGRADING.md)"
	@echo "make test-all  the checks and every test at its full length: well over an hour"
	@echo "make check  formatting, lints, documentation, crate boundaries, workflows, spelling"
	@echo "make check-service SERVICE=auth, test-service SERVICE=auth  the same for one service, or SERVICE=gateway"
	@echo "make deny   licences, bans and sources of the dependencies"
	@echo "make gate   instructions and memory against the committed figures (bench/gate.json); gate-write writes them anew"
	@echo "make bench  release binaries measured against the machine's limits; bench-quick in two minutes"

run:
	cargo run

dev: tools
	cargo build --workspace --bins
	cargo run --quiet -p testkit -- with -- cargo run --quiet -p end-to-end --bin platform

check:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --features end-to-end/upgrade,end-to-end/containers -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	scripts/check-boundaries
	cargo test --quiet --locked -p deployment --test it -- generated:: lists::
	scripts/install-test-tools --lint
	scripts/check-workflows
	scripts/check-units

# One service of deploy/services, or the gateway.
.PHONY: check-service test-service
check-service:
	scripts/service check "$(SERVICE)"

test-service: tools
	scripts/service test "$(SERVICE)"

# Without a network; `make deny DENY=` also looks up advisories. Needs cargo-deny.
.PHONY: deny
DENY := licenses bans sources
deny:
	cargo deny check $(DENY)

# Writes anew what stands in files that cannot read deploy/services: workflows with their path filters, upstreams, containers,
# units. After a change of that file, or of dependencies between crates. `filters` is its former name.
.PHONY: generated filters
generated filters:
	UPDATE_GENERATED=1 cargo test -p deployment --test it each_list_is_as

.PHONY: tools
tools:
	scripts/install-test-tools

test: tools
	cargo build --workspace --bins --tests
	cargo run --quiet -p testkit -- with -- $(RUN_TESTS)

test-long: tools
	cargo build --workspace --bins --tests
	TEST_LONG=1 cargo run --quiet -p testkit -- with -- $(RUN_TESTS)

# Kills and rolling restarts of replicas under load, with bounds.
.PHONY: test-crash
RUN_CRASH := $(if $(NEXTEST),cargo nextest run -p end-to-end -E 'test(replicas::)',cargo test -p end-to-end --test it replicas::)
test-crash: tools
	cargo build --workspace --bins
	TEST_LONG=1 cargo run --quiet -p testkit -- with -- $(RUN_CRASH)

# The containers: images, Compose, the end-to-end tests through the published port. Installs a Docker engine where none is.
.PHONY: test-compose
test-compose: tools
	scripts/docker-engine scripts/test-compose

# The way without containers (docs/deployment/ec2.md): back-up, loss, restore. Says what to install where something is missing.
.PHONY: test-restore
test-restore: tools
	cargo build --workspace --bins
	scripts/test-restore

# Programs of the last release beside those of this source: docs/UPGRADING.md.
.PHONY: test-upgrade
test-upgrade: tools
	scripts/test-upgrade

# All there is: the checks, and every test as often as test-long repeats it, those of test-crash among them, and those of
# the containers, of the back-up and of the upgrade. Well over an hour on two cores.
.PHONY: test-all
test-all: check test-long test-restore test-upgrade test-compose

fmt:
	cargo fmt --all

# Writes docs/openapi anew after an intended change of the API.
openapi:
	UPDATE_DOCS=1 cargo test -p standalone --test documents

# Writes docs/PRICES.md anew after an intended change of what an operation costs.
.PHONY: prices
prices: tools
	cargo build --workspace --bins
	UPDATE_DOCS=1 cargo run --quiet -p testkit -- with -- cargo test -p end-to-end --test it its_price

SERVICES := $(shell awk '/^[a-z]/ { print $$3 }' deploy/services)

# Three builds: what is measured has no feature in it that only tests, or only the others, ask for.
.PHONY: bench-build
bench-build:
	scripts/install-test-tools --bench
	cargo build --release $(addprefix -p ,$(SERVICES))
	cargo build --release -p standalone
	cargo build --release -p testkit -p bench

# ROWS="validate refresh" measures these alone.
bench: bench-build
	target/release/testkit with -- target/release/bench $(ROWS)

bench-quick: bench-build
	target/release/testkit with -- target/release/bench --quick $(ROWS)

# Instructions of operations and starts, and memory, against bench/gate.json: 3 % more fails.
gate: bench-build
	target/release/testkit with -- target/release/bench gate

# Writes bench/gate.json anew after an intended change.
gate-write: bench-build
	target/release/testkit with -- target/release/bench gate --write
