#!/usr/bin/env bash
# npm pack, install into an empty folder, run an example there, and type-check and run an attach script against the installed package.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tarball=$(cd "$root" && npm pack --silent --ignore-scripts --pack-destination "$folder")
cd "$folder"
npm init -y >/dev/null
npm install --no-audit --no-fund --silent "./$tarball"
npx --no-install bpfsim --version
npx --no-install bpfsim run hello
cp "$root/test/package/attach.ts" attach.ts
cat > tsconfig.json <<'JSON'
{
  "compilerOptions": {
    "strict": true, "module": "esnext", "moduleResolution": "bundler", "target": "es2023", "lib": ["es2023", "dom"], "types": [], "noEmit": true,
    "allowImportingTsExtensions": true
  },
  "include": ["attach.ts"]
}
JSON
"$root/node_modules/.bin/tsc" -p tsconfig.json
npx --no-install bpfsim run attach.ts
