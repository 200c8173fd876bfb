#!/usr/bin/env bash
# Builds the web console if its sources changed. Node is the system's if it is new enough, else PyPI's wheel.
set -euo pipefail
cd "$(dirname "$0")/../api/console"
venv=$(cd ../../.venv/bin && pwd)

node_is_new_enough() { command -v node >/dev/null && node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a * 100 + b < 2019 ? 1 : 0)'; }
PATH=${PATH//"$venv:"/}
node_is_new_enough || PATH="$venv:$PATH"

sources=$(find . ../../tools/build_console.sh -name node_modules -prune -o -path ./dist -prune -o -type f ! -name '*.py*' -print0 | sort -z \
    | xargs -0 sha256sum -- | sha256sum | cut -d' ' -f1)
[ -e dist/.sources ] && [ "$(cat dist/.sources)" = "$sources" ] && exit 0

locked=$(sha256sum package-lock.json | cut -d' ' -f1)
if ! [ -e node_modules/.locked ] || [ "$(cat node_modules/.locked)" != "$locked" ]; then
    npm ci --silent --no-audit --no-fund >&2
    printf '%s' "$locked" >node_modules/.locked
fi
npm run --silent build >&2
# The licences of what is in the build have to go with it; what only tests and builds is not.
npm ls --omit=dev --all --parseable 2>/dev/null | tail -n +2 | while read -r package; do
    node -p "const p = require('$package/package.json'); p.name + ' ' + p.version + ', ' + (p.license ?? 'see its repository')"
    find "$package" -maxdepth 1 -iname 'licen[sc]e*' -exec cat {} +
    printf '\n'
done >dist/share/licenses.txt
printf '%s' "$sources" >dist/.sources
