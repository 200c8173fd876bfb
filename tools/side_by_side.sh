#!/usr/bin/env bash
# Runs commands side by side, each a line of shell; prints the output of each in one piece with the time that it
# took, what failed last. Fails if one of them did; the others are run to their end all the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
pids=()
for command in "$@"; do
    number=${#pids[@]}
    (
        started=$SECONDS
        status=0
        bash -euo pipefail -c "$command" >"$folder/$number" 2>&1 || status=$?
        printf -- '--- %s: status %d after %d s\n' "$command" "$status" $((SECONDS - started)) >>"$folder/$number"
        exit "$status"
    ) &
    pids+=($!)
done
failed=()
for number in "${!pids[@]}"; do
    if wait "${pids[$number]}"; then cat "$folder/$number"; else failed+=("$number"); fi
done
for number in "${failed[@]}"; do cat "$folder/$number"; done
[ ${#failed[@]} -eq 0 ]
