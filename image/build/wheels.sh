#!/usr/bin/env bash
# Downloads the wheels of requirements/image.txt for the board's processor, and what building our own wheel needs.
# pip checks each against its hash; nothing is built from source but our own extension.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
choose_board "$1"

pip() { "$REPO/.venv/bin/python" -m pip --disable-pip-version-check -qq "$@"; }
directory=$CACHE/wheels-$ARCH
stamp=$(cat "$REPO/requirements/image.txt" "$REPO/requirements/dev.txt" "${BASH_SOURCE[0]}" | sha256sum)
[ "$(cat "$directory/stamp" 2>/dev/null || true)" = "$stamp" ] && exit 0
say "downloading wheels for $MACHINE"
rm -rf "$directory"
mkdir -p "$directory/build"
platforms=()
for glibc in 41 40 39 38 37 36 35 34 33 32 31 30 29 28 27 26 25 24 17; do platforms+=(--platform "manylinux_2_${glibc}_$MACHINE"); done
pip download --require-hashes --only-binary=:all: --no-deps --python-version 3.13 --implementation cp "${platforms[@]}" \
    --dest "$directory" -r "$REPO/requirements/image.txt"
# The part of the development lock that pyproject.toml's build-system asks for.
sed -n '/^setuptools==/,/[^\\]$/p' "$REPO/requirements/dev.txt" >"$directory/build/requirements.txt"
pip download --require-hashes --only-binary=:all: --no-deps --dest "$directory/build" -r "$directory/build/requirements.txt"
printf '%s\n' "$stamp" >"$directory/stamp"
