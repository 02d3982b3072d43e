#!/usr/bin/env bash
# The TypeScript client and the page: that they type-check, that their tests pass (the client's against the real
# server), and that the committed build is the sources'.
set -euo pipefail
cd "$(dirname "$0")/.."

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/weft" ./cmd/weft

cd client-ts
npm ci --no-audit --no-fund --silent
npm run --silent check
WEFT_BIN="$bin/weft" npm test --silent

cd ../web
npm ci --no-audit --no-fund --silent
npm run --silent check
npm test --silent
npm run --silent verify
