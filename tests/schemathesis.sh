#!/usr/bin/env bash
# Runs Schemathesis against the OpenAPI documents of a running platform, anonymously and as an administrator.
#
#   cargo run -p testkit -- with -- cargo run -p end-to-end --bin platform -- -- tests/schemathesis.sh
#
# Takes GATEWAY_URL, ADMIN_EMAIL and ADMIN_PASSWORD, and MAX_EXAMPLES (default 15) for each operation. The exit code is
# not zero if anything was found.
set -euo pipefail
cd "$(dirname "$0")"
: "${GATEWAY_URL:?is set by the program named above}" "${ADMIN_EMAIL:?}" "${ADMIN_PASSWORD:?}"

# Where scripts/install-test-tools puts it.
PATH="$PWD/../.venv/bin:$PATH"
if ! command -v schemathesis >/dev/null; then
    echo "schemathesis is not installed; run: scripts/install-test-tools" >&2
    exit 69
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Schemathesis leaves its caches where it runs.
cp schemathesis_hooks.py "$work/"

checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
checks+=,unsupported_method,ignored_auth
options=(
    --url "$GATEWAY_URL" --checks "$checks" --max-examples "${MAX_EXAMPLES:-15}"
    --generation-deterministic --continue-on-failure --no-shrink
    --no-color --warnings off --workers 1 --request-timeout 20 --suppress-health-check all
)
# An administrator does not end their own session or change their own password.
careful=(
    --exclude-path /api/v1/auth/logout --exclude-path /api/v1/auth/password/change
    --exclude-operation-id close_session --exclude-operation-id close_sessions
)

run() { # document, anonymous or administrator
    local document=$1 who=$2 own=("${options[@]}")
    if [ "$who" = administrator ]; then
        own+=("${careful[@]}")
    fi
    (
        cd "$work"
        export PYTHONPATH="$work" SCHEMATHESIS_HOOKS=schemathesis_hooks UD_WHO=$who
        schemathesis run "$GATEWAY_URL/api/v1/$document/openapi.json" "${own[@]}"
    )
}

run_all() { # who
    local file document code=0
    # Named after the collections that the gateway leads to.
    for file in ../nginx/services/*.conf; do
        document=$(basename "$file" .conf)
        echo "== $document, $1"
        run "$document" "$1" || code=1
    done
    return "$code"
}

# Side by side: each waits for the platform half of the time.
run_all anonymous >"$work/anonymous.log" 2>&1 &
anonymous=$!
code=0
run_all administrator || code=1
wait "$anonymous" || code=1
cat "$work/anonymous.log"
if [ "$code" -ne 0 ]; then
    echo "schemathesis found something" >&2
fi
exit "$code"
