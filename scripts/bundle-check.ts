// Bundles the package's entries for a browser: fails when one of them needs a module that only Node has.

import { build } from 'esbuild'

const { metafile } = await build({
  entryPoints: ['dist/user-space/index.js', 'dist/ebpf-vm/index.js', 'dist/user-space/workload.js'],
  bundle: true,
  platform: 'browser',
  format: 'esm',
  outdir: 'bundle',
  write: false,
  metafile: true,
  minify: true,
  logLevel: 'error',
})
for (const [file, { bytes }] of Object.entries(metafile.outputs))
  console.log(`${file}: ${Math.round(bytes / 1024)} KiB`)
