// The kernel's own JIT on the same objects, through BPF_PROG_TEST_RUN: test/bench/runner.c, built with cc when the benchmark runs.

import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { FOLDER } from './program.ts'

export class KernelRunner {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #answers: AsyncIterator<string>
  readonly #numbers = new Map<string, number>()

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.#child = child
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  /** Build and start it; a string says why that does not work here. */
  static async start(names: readonly string[]): Promise<KernelRunner | string> {
    const binary = path.join(mkdtempSync(path.join(tmpdir(), 'bpfsim-bench-')), 'runner')
    try {
      execFileSync('cc', ['-O2', '-o', binary, path.resolve(FOLDER, '../runner.c'), '-lbpf'], { stdio: 'pipe' })
    } catch {
      return 'test/bench/runner.c does not build here (cc and libbpf-dev are needed)'
    }
    try {
      if (readFileSync('/proc/sys/net/core/bpf_jit_enable', 'utf8').trim() === '0') return "the kernel's JIT is off"
    } catch {
      return 'this kernel has no BPF'
    }
    const runner = new KernelRunner(spawn(binary))
    for (const name of names) {
      const answer = await runner.#ask(`load ${path.join(FOLDER, name)}.bpf.o ${path.join(FOLDER, 'packet.bin')}`)
      if (!answer.startsWith('loaded')) return `the kernel does not load programs here (${answer})`
      runner.#numbers.set(name, Number(answer.split(' ')[1]))
    }
    return runner
  }

  async #ask(line: string): Promise<string> {
    this.#child.stdin.write(`${line}\n`)
    const { value } = await this.#answers.next()
    return value ?? 'no answer'
  }

  /** Mean nanoseconds of one run of `repeat`, and r0. */
  async run(name: string, repeat: number): Promise<{ ns: number; r0: number }> {
    const [r0, ns] = (await this.#ask(`run ${this.#numbers.get(name)} ${repeat}`)).split(' ').map(Number)
    return { ns: ns!, r0: r0! }
  }

  /** Load it afresh: empty maps. */
  async reset(name: string): Promise<void> {
    await this.#ask(`reset ${this.#numbers.get(name)}`)
  }

  stop(): void {
    this.#child.kill()
  }
}
