#!/usr/bin/env bash
# Known vulnerabilities in what is called. The database is Go's own, or the copy that WEFT_VULNDB names (an http, https or
# file URL, as govulncheck's -db takes it). Where it can't be reached nothing was checked: that is said, and is a failure
# only with WEFT_VULN=required, so that the tests run on a machine without a way out.
set -uo pipefail
cd "$(dirname "$0")/.."

out=$(go tool govulncheck ${WEFT_VULNDB:+-db "$WEFT_VULNDB"} ./... 2>&1)
status=$?
if [ $status -ne 0 ] && grep -q '^govulncheck: fetching vulnerabilities: ' <<<"$out"; then
  grep '^govulncheck: fetching vulnerabilities: ' <<<"$out" >&2
  echo "NOT CHECKED for known vulnerabilities: their database can't be reached (WEFT_VULNDB names a copy of it)" >&2
  [ "${WEFT_VULN:-}" != required ]
  exit
fi
echo "$out"
exit $status
