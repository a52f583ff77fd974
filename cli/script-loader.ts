// Loads an attach script: a TypeScript file, with whatever it imports, no build step. Every `.ts`, `.mts`, `.js` and `.mjs` file of the
// script is an ES module whatever package.json around it says; `bpfsim`, `bpfsim/vm` and `bpfsim/workload` are the running package;
// other packages are those that the script's own folder sees. A `#!` line is fine.

import { rmSync } from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BuildFailure, Loader, Plugin } from 'esbuild'
import { UserError } from '../base/errors.ts'

const ENTRIES: Readonly<Record<string, string>> = {
  bpfsim: '../user-space/index.js',
  'bpfsim/vm': '../ebpf-vm/index.js',
  'bpfsim/workload': '../user-space/workload.js',
}
const TARGET = 'node20'

/** True for a file that `bpfsim run` takes as an attach script. */
export const isScript = (file: string): boolean => /\.[cm]?[jt]s$/.test(file)

/**
 * Runs the script to its end. What it throws is thrown; a script that cannot be read or is no TypeScript is a UserError that names the
 * place.
 */
export async function runScript(file: string): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'bpfsim-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  // Also when the process ends within the script: process.exit(), a closed pipe.
  process.once('exit', remove)
  try {
    const module = path.join(folder, `${path.basename(file)}.mjs`)
    await writeFile(module, await bundle(file))
    // Stacks show the lines of the script.
    process.setSourceMapsEnabled(true)
    await import(pathToFileURL(module).href)
  } finally {
    process.off('exit', remove)
    remove()
  }
}

async function bundle(file: string): Promise<string> {
  const { build } = await import('esbuild')
  try {
    const { outputFiles } = await build({
      entryPoints: [path.resolve(file)],
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
      target: TARGET,
      sourcemap: 'inline',
      sourcesContent: false,
      logLevel: 'silent',
      plugins: [packages, modules],
    })
    return outputFiles[0]!.text
  } catch (error) {
    throw readable(error as BuildFailure, file)
  }
}

function readable(error: BuildFailure, file: string): Error {
  const first = error.errors?.[0]
  if (!first) return error
  const at = first.location ? `${first.location.file}:${first.location.line}:${first.location.column + 1}` : file
  return new UserError(`${at}: ${first.text}`)
}

/** Marks a lookup that this plugin makes itself. */
const LOOKED_UP = 'bpfsim-looked-up'

/** Packages stay outside of the bundle, named by where they are: the bundle runs from another folder than the script. */
const packages: Plugin = {
  name: 'packages',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path: name, kind, resolveDir, importer, pluginData }) => {
      if (kind === 'entry-point' || pluginData === LOOKED_UP) return undefined
      if (name.startsWith('node:') || builtinModules.includes(name)) return { path: name, external: true }
      const entry = ENTRIES[name]
      if (entry) return { path: new URL(entry, import.meta.url).href, external: true }
      if (name.startsWith('file:')) return { path: name, external: true }
      const found = await build.resolve(name, { kind, resolveDir, importer, pluginData: LOOKED_UP })
      if (found.errors.length > 0) return { errors: found.errors }
      return { path: pathToFileURL(found.path).href, external: true }
    })
  },
}

const LOADERS: Readonly<Record<string, Loader>> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
}

/** Each file keeps its own import.meta: paths relative to it mean what they say. */
const modules: Plugin = {
  name: 'modules',
  setup(build) {
    build.onLoad({ filter: /\.[cm]?[jt]s$/ }, async ({ path: file }) => {
      const { transform } = await import('esbuild')
      try {
        const { code } = await transform(await readFile(file, 'utf8'), {
          loader: LOADERS[path.extname(file)]!,
          target: TARGET,
          format: 'esm',
          logLevel: 'silent',
          sourcefile: pathToFileURL(file).href,
          sourcemap: 'inline',
          define: {
            'import.meta.url': JSON.stringify(pathToFileURL(file).href),
            'import.meta.filename': JSON.stringify(file),
            'import.meta.dirname': JSON.stringify(path.dirname(file)),
          },
        })
        return { contents: code, loader: 'js', resolveDir: path.dirname(file) }
      } catch (failure) {
        const { errors = [] } = failure as Partial<BuildFailure>
        if (errors.length === 0) throw failure
        return {
          errors: errors.map((error) => ({ ...error, location: error.location && { ...error.location, file } })),
        }
      }
    })
  },
}
