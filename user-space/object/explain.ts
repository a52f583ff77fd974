// Puts libbpf's words into a verifier log that ends at a poisoned call: which CO-RE relocation, map or kfunc was not there.

import type { Btf } from '../../base/btf/btf.ts'
import { POISON_CALL } from './core/patch.ts'
import { describeRelocation } from './core/resolve.ts'
import { type LinkedProgram, POISON_KFUNC, POISON_MAP } from './link.ts'

/** libbpf looks only at the last lines of a log. */
const LAST_LINES = 10

/**
 * `42: (85) call unknown#195896080` and the line behind it become `42: <invalid CO-RE relocation>` and
 * `failed to resolve CO-RE relocation <byte_off> [7] struct task_struct.nothing (0:3 @ offset 8)`; other logs stay as they are.
 */
export function explainLog(log: string, linked: LinkedProgram, btf: Btf | undefined): string {
  const lines = log.split('\n')
  for (let i = lines.length - 1; i >= Math.max(1, lines.length - 1 - LAST_LINES); i--) {
    const helper = Number(/^invalid func unknown#(\d+)$/.exec(lines[i]!)?.[1] ?? 0)
    if (helper === 0) continue
    const slot = Number(/^(\d+): \(\w+\) call unknown#\d+/.exec(lines[i - 1]!)?.[1] ?? -1)
    if (slot < 0) continue
    const words = explain(helper, slot, linked, btf)
    if (words) lines.splice(i - 1, 2, ...words)
    break
  }
  return lines.join('\n')
}

function explain(helper: number, slot: number, linked: LinkedProgram, btf: Btf | undefined): string[] | undefined {
  if (helper === POISON_CALL) {
    const relocation = linked.core.get(slot)
    if (!relocation || !btf) return undefined
    return [
      `${slot}: <invalid CO-RE relocation>`,
      `failed to resolve CO-RE relocation ${describeRelocation(btf, relocation)}`,
    ]
  }
  if (helper >= POISON_KFUNC) {
    const name = linked.externs[helper - POISON_KFUNC]
    return name === undefined
      ? undefined
      : [`${slot}: <invalid kfunc call>`, `kfunc '${name}' is referenced but wasn't resolved`]
  }
  if (helper >= POISON_MAP) {
    const name = linked.maps[helper - POISON_MAP]
    return name === undefined
      ? undefined
      : [`${slot}: <invalid BPF map reference>`, `BPF map '${name}' is referenced but wasn't created`]
  }
  return undefined
}
