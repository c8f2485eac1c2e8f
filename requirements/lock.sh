#!/bin/sh
# Resolves pyproject.toml into the two lock files: names, versions and hashes, no download address. Needs `uv` on PATH.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile pyproject.toml "$@" --generate-hashes --universal --python-version 3.11 \
        --no-emit-index-url --no-emit-find-links --no-header --quiet
}
compile --group build --group dev -o requirements/dev.lock
compile --group build -c requirements/dev.lock -o requirements/runtime.lock
