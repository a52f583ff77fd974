// Tests import the sources by their paths; the runner maps those to the compiled files under dist/, which Node loads itself:
// one build, no transform, and hot loops run as a user's would.
import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { defineConfig } from 'vitest/config'

const root = import.meta.dirname
const built = /^(base|ebpf-vm|kernel-sim|hooks|user-space|cli|scripts)\//
const packages: Record<string, string> = {
  bpfsim: 'user-space/index.ts',
  'bpfsim/vm': 'ebpf-vm/index.ts',
  'bpfsim/workload': 'user-space/workload.ts',
}

/** The compiled file of a source path, or undefined for anything that is not one of ours. */
function compiled(source: string, importer: string | undefined): string | undefined {
  const named = packages[source]
  const file =
    named ??
    (source.startsWith('.') && importer ? path.relative(root, path.resolve(path.dirname(importer), source)) : '')
  if (!built.test(file) || !file.endsWith('.ts')) return undefined
  const target = path.join(root, 'dist', file.replace(/\.ts$/, '.js'))
  if (!existsSync(target)) throw new Error(`${file} is not built: run npm run build`)
  return pathToFileURL(target).href
}

export default defineConfig({
  plugins: [
    {
      name: 'sources-from-dist',
      enforce: 'pre',
      resolveId(source, importer) {
        const id = compiled(source, importer)
        return id ? { id, external: true } : undefined
      },
    },
  ],
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/debian/**', 'node_modules/**'],
    isolate: false,
    pool: 'threads',
    testTimeout: 20_000,
    server: { deps: { external: [/\/dist\//] } },
  },
})
