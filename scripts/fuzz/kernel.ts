// The kernel of this machine as an engine for fuzzed programs: test/kernel/run-programs.c, built with cc on first use.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { encode } from '../../ebpf-vm/isa/insn.ts'
import { type Lowered, MEMORY_BYTES } from './programs.ts'
import { hex, type Outcome } from './run.ts'

export type KernelOutcome =
  | { readonly kind: 'ran'; readonly outcome: Outcome }
  | { readonly kind: 'refused'; readonly errno: number; readonly log: string }

export interface KernelRunner extends Disposable {
  /** Runs the programs one after the other, each on its memory. */
  run(programs: readonly { readonly lowered: Lowered; readonly memory: Uint8Array }[]): KernelOutcome[]
}

/** Builds the runner from its source; a string says why this machine has none (no Linux, no compiler, no permission). */
export function kernelRunner(source: string): KernelRunner | string {
  if (process.platform !== 'linux') return 'not on Linux'
  const folder = mkdtempSync(path.join(tmpdir(), 'bpfsim-kernel-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  const binary = path.join(folder, 'run-programs')
  const built = spawnSync('cc', ['-O1', '-o', binary, source], { encoding: 'utf8' })
  const exit: readonly number[] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0]
  const probe = Buffer.concat([words(2), Buffer.from(exit), Buffer.alloc(MEMORY_BYTES)])
  const why = built.error
    ? 'no C compiler'
    : built.status !== 0
      ? `the runner does not compile here: ${built.stderr.split('\n')[0]}`
      : spawnSync(binary, { input: probe }).status !== 0
        ? 'the kernel does not let us load programs'
        : undefined
  if (why !== undefined) {
    remove()
    return why
  }
  return {
    run(programs) {
      const input = Buffer.concat(
        programs.flatMap(({ lowered, memory }) => [words(lowered.insns.length), encode(lowered.insns), memory]),
      )
      const { stdout, status } = spawnSync(binary, { input, maxBuffer: 1 << 30 })
      if (status !== 0) throw new Error(`run-programs ended with ${status}`)
      const reader = { bytes: stdout, at: 0 }
      return programs.map(() => readOutcome(reader))
    },
    [Symbol.dispose]: remove,
  }
}

const words = (...values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer)

function readOutcome(reader: { readonly bytes: Buffer; at: number }): KernelOutcome {
  const u32 = (): number => {
    reader.at += 4
    return reader.bytes.readInt32LE(reader.at - 4)
  }
  const take = (length: number): Buffer => {
    reader.at += length
    return reader.bytes.subarray(reader.at - length, reader.at)
  }
  const errno = u32()
  if (errno !== 0) return { kind: 'refused', errno, log: take(u32()).toString() }
  const memory = hex(take(MEMORY_BYTES))
  const r0 = hex(take(8))
  const array = hex(take(32))
  const hash = Array.from({ length: u32() }, () => `${u32()}: ${hex(take(8))}`)
  return { kind: 'ran', outcome: { r0, memory, array, hash } }
}
