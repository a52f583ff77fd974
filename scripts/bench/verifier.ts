// npm run bench:verifier: processed instructions a second on programs made here (branches, loops, maps), and the time of a
// 50-instruction program once warm. Median of several runs.

import { assemble } from '../../ebpf-vm/asm/assemble.ts'
import { decode, encode, type Insn } from '../../ebpf-vm/isa/insn.ts'
import type { ProgramInput } from '../../ebpf-vm/program.ts'
import { PROG_TYPE } from '../../ebpf-vm/uapi.ts'
import { factsFor } from '../../ebpf-vm/verifier/facts.ts'
import { verify } from '../../ebpf-vm/verifier/verify.ts'

const facts = factsFor({ release: '6.12.0', btf: undefined })

/** `blocks` tests of a random number, each teaching its ranges, with arithmetic and spills between them. */
function branches(blocks: number): Insn[] {
  const text = ['r6 = r1']
  for (let i = 0; i < blocks; i++)
    text.push(
      'call bpf_get_prandom_u32',
      'r7 = r0',
      `if r7 > ${100 + i} goto next${i}`,
      'r7 *= 3',
      'r7 += 5',
      '*(u64 *)(r10 - 8) = r7',
      'r8 = *(u64 *)(r10 - 8)',
      'r8 &= 255',
      `next${i}:`,
    )
  return assemble([...text, 'r0 = 0', 'exit'].join('\n')).insns
}

const loop = (rounds: number): Insn[] =>
  assemble(
    [
      'r0 = 0',
      'r1 = 0',
      'again:',
      'r1 += 3',
      'r1 ^= 5',
      'r0 += 1',
      `if r0 < ${rounds} goto again`,
      'r0 = 0',
      'exit',
    ].join('\n'),
  ).insns

function run(insns: readonly Insn[]): { processed: number; ms: number } {
  const input: ProgramInput = {
    name: 'bench',
    type: PROG_TYPE.socket_filter,
    expectedAttachType: 0,
    insns: decode(encode(insns)),
    license: 'GPL',
    flags: 0,
    mapByFd: () => undefined,
  }
  const start = process.hrtime.bigint()
  const result = verify(input, facts, { logLevel: 0 })
  if (!result.ok) throw new Error(`refused: ${result.errno}`)
  return { processed: result.stats.processed, ms: Number(process.hrtime.bigint() - start) / 1e6 }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!
}

for (const [name, insns] of [
  ['branches, 4,000 blocks', branches(4000)],
  ['loop, 20,000 rounds', loop(20_000)],
  ['50 instructions', branches(6)],
] as const) {
  const small = insns.length < 100
  for (let i = 0; i < (small ? 200 : 2); i++) run(insns)
  const runs = Array.from({ length: small ? 201 : 7 }, () => run(insns))
  const ms = median(runs.map((r) => r.ms))
  const { processed } = runs[0]!
  console.log(
    `${name.padEnd(24)} ${String(processed).padStart(8)} insns  ${ms.toFixed(3)} ms  ${Math.round(processed / ms)} k insns/s`,
  )
}
