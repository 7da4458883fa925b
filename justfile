# Every task of the repository: `just` lists them (https://just.systems). Each is one command, which
# also works without `just`.

set shell := ["bash", "-euo", "pipefail", "-c"]

[private]
default:
    @"{{ just_executable() }}" --list --unsorted

# Everything that must pass before a change lands; takes half an hour from nothing
ci:
    .ci/run

# What is quick to check: format, names, lints
check: names
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# That a feature which is left out leaves out its dependencies
features:
    tools/features

# Format the code
fmt:
    cargo fmt --all

# Names that the glossary replaces, and files that are too long
names:
    tools/words
    tools/sizes

# All tests, or those in Rust whose names contain the word
test *word:
    ./test {{ word }}

# The test programs of packages, several at the same time: `just tests-of anocm-core`
tests-of +packages:
    tools/tests-of {{ packages }}

# The tests of the store with Valkey in place of Redis
valkey:
    server="$(tools/other-redis valkey target/servers)"; ANOCM_TEST_REDIS="$server" tools/tests-of anocm-redis

# Whole conversations in virtual time: so many seeds, on all processors
simulate seeds="2000":
    ANOCM_SIM_SEEDS={{ seeds }} cargo test -p anocm-core --test simulation

# Python, Kotlin and Swift: `just bindings test`, `just bindings package`, `just bindings examples`
bindings *args="test":
    tools/bindings {{ args }}

# Each fuzz target for so many seconds
fuzz seconds="15" *targets:
    tools/fuzz-smoke {{ seconds }} {{ targets }}

# The initial corpora of the fuzz targets, written anew
seeds:
    cargo run -p anocm-fuzz --example seeds

# Benchmarks of the core: all, or `just bench ratios`
bench *names="ratios session store":
    for name in {{ names }}; do cargo bench -p anocm-core --bench "$name"; done

# How long wiping takes, up to the end of the process
bench-wiping:
    cargo bench -p anocm-cli --bench wiping

# Measure a relay: `just load --help`
load *args="--help":
    cargo run --profile dist -p anocm-load -- {{ args }}

# The code in README.md and docs/embedding.md, and in the manual
doctests:
    cargo test --workspace --exclude anocm-bindgen --doc

# The programs as they are shipped
dist:
    cargo build --profile dist -p anocm-server -p anocm-cli

# The manual of all crates, with warnings as errors
doc *args:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features {{ args }}

# Licences, versions, sources and advisories of dependencies
deny:
    tools/deny

# The core for browsers
wasm:
    toolchain="$(tools/wasm-toolchain.sh target/wasm-toolchain)"; \
        RUSTUP_TOOLCHAIN="$toolchain" CARGO_TARGET_DIR=target/wasm cargo check --target wasm32-unknown-unknown -p anocm-core --no-default-features --features client

# The libraries' packages, built and run outside the repository
package *args:
    tools/package {{ args }}

# The libraries with the compiler that Cargo.toml promises, where rustup has it
oldest-compiler:
    version="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"; \
        RUSTUP_TOOLCHAIN="$version" CARGO_TARGET_DIR=target/oldest-compiler cargo check --locked \
        -p anocm-core -p anocm-guard -p anocm-ws -p anocm-redis --lib --examples

# Changes of the interfaces since the last release, and the version that must follow
semver *revision:
    tools/semver {{ revision }}

# A dry run of publishing the libraries, in their order; uploads nothing
publish-dry-run:
    cargo publish --dry-run -p anocm-core -p anocm-guard -p anocm-ws -p anocm-redis

# Open a room, with a relay in the same process
new *args:
    cargo run -p anocm-cli -- new {{ args }}

# Run a relay on this machine: `just relay --listen 127.0.0.1:8080`
relay *args:
    cargo run --profile dist -p anocm-server -- {{ args }}
