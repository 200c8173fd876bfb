#!/usr/bin/env bash
# Has Prometheus's own checker look at the metrics of a live appliance on the emulated board.
#
# promtool is taken out of Debian's package prometheus, which is unpacked into .cache and never installed: there
# is no service. What it says of the contract's names cannot be mended, since clients know them, and is expected
# word for word; anything else is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
promtool=$PWD/.cache/promtool/usr/bin/promtool
expected='pikvm_hw_mem_total non-counter metrics should not have "_total" suffix'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ ! -x "$promtool" ]; then
    (cd "$work" && apt-get download -qq -o APT::Sandbox::User=root prometheus)
    rm -rf .cache/promtool
    mkdir -p .cache
    dpkg-deb -x "$work"/prometheus_*.deb .cache/promtool
fi

.venv/bin/python -m tools.live_metrics "$work/metrics"
# 3 is promtool's status for remarks; with any other it could not read the metrics.
status=0
"$promtool" check metrics <"$work/metrics" >"$work/remarks" 2>&1 || status=$?
[ "$status" = 0 ] || [ "$status" = 3 ] || { cat "$work/remarks"; exit 1; }
if unexpected=$(grep -vFx "$expected" "$work/remarks"); then
    printf 'promtool says of our metrics:\n%s\n' "$unexpected"
    exit 1
fi
printf 'promtool has read %d metrics; of names that the contract fixes it says:\n' \
    "$(grep -c '^# TYPE' "$work/metrics")"
cat "$work/remarks"
