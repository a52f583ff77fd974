import { describe, expect, test } from 'vitest'
import { assemble } from '../../../ebpf-vm/asm/assemble.ts'
import { disassemble, insnText } from '../../../ebpf-vm/disasm/disasm.ts'
import { encode } from '../../../ebpf-vm/isa/insn.ts'

const hex = (text: string): string =>
  Array.from(encode(assemble(text).insns), (b) => b.toString(16).padStart(2, '0')).join('')
const listed = (text: string): string =>
  disassemble(assemble(text).insns)
    .replace(/^ *\d+: \(..\) /gm, '')
    .trimEnd()

describe('assembler', () => {
  test('bytes of known instructions', () => {
    expect(hex('r0 = 5')).toBe('b700000005000000')
    expect(hex('r1 = 0x1122334455667788 ll')).toBe('18010000887766550000000044332211')
    expect(hex('r2 = *(u16 *)(r1 +12)')).toBe('69120c0000000000')
    expect(hex('lock *(u64 *)(r10 -8) += r1')).toBe('db1af8ff00000000')
    expect(hex('if w3 s<= 0xffffffff goto -2')).toBe('d603feffffffffff')
    expect(hex('r1 s/= r2')).toBe('3f21010000000000')
  })

  // Each line is one instruction in several spellings; the first is Linux's.
  const spellings: string[][] = [
    ['r0 = 5', 'mov %r0, 5', 'mov64 r0, 0x5', 'r0 = 0x5', 'R0=5'],
    ['w0 = -1', 'mov32 %r0, -1', 'w0 = 0xffffffff'],
    ['r3 s>>= r4', 'arsh %r3, %r4'],
    ['w3 s%= -7', 'smod32 %r3, -7'],
    ['r1 = (s16)r2', 'movsx1664 %r1, %r2'],
    ['r1 = -r1', 'neg %r1'],
    ['r4 = be32 r4', 'be32 %r4'],
    ['r4 = bswap64 r4', 'bswap64 %r4', 'swap64 %r4'],
    ['r1 = 0xffffffffff', 'lddw %r1, 0xffffffffff', 'r1 = 1099511627775 ll'],
    ['r0 = *(u8 *)skb[23]', 'ldabsb 23'],
    ['r0 = *(u32 *)skb[r2 + -4]', 'ldindw %r2, -4'],
    ['r0 = *(u32 *)(r6 +0)', 'ldxw %r0, [%r6]', 'w0 = *(u32 *)(r6 + 0x0)', 'r0 = *(u32 *)(r6)'],
    ['r0 = *(s8 *)(r6 -1)', 'ldxsb %r0, [%r6-1]'],
    ['*(u64 *)(r10 -8) = 1', 'stdw [%r10-8], 1'],
    ['*(u16 *)(r1 +2) = r2', 'stxh [%r1+2], %r2', '*(u16 *)(r1 + 2) = w2'],
    ['lock *(u32 *)(r1 +4) ^= r2', 'lock xor32 [%r1+4], %r2', 'lock *(u32 *)(r1 + 4) ^= w2'],
    [
      'r2 = atomic64_fetch_add((u64 *)(r1 +8), r2)',
      'lock fetch_add [%r1+8], %r2',
      'r2 = atomic_fetch_add((u64 *)(r1 + 8), r2)',
    ],
    ['r2 = atomic_xchg((u32 *)(r1 +0), r2)', 'lock xchg32 [%r1], %r2', 'w2 = xchg32_32(r1 + 0, w2)'],
    ['r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)', 'lock cmpxchg [%r1], %r2', 'r0 = cmpxchg_64(r1 + 0, r0, r2)'],
    ['r2 = load_acquire((u8 *)(r1 +3))', 'w2 = load_acquire((u8 *)(r1 + 3))'],
    ['goto pc+3', 'goto +3', 'ja +3', 'ja 3'],
    ['gotol pc-70000', 'ja32 -70000'],
    ['if r1 s> 0xffffffff goto pc+1', 'if r1 s> -1 goto +1', 'jsgt %r1, -1, 1'],
    ['if w1 & w2 goto pc-1', 'jset32 %r1, %r2, -1'],
    ['may_goto pc+2', 'may_goto +2'],
    ['call bpf_map_lookup_elem#1', 'call 1', 'call map_lookup_elem', 'call bpf_map_lookup_elem'],
    ['call pc+7', 'call local 7', 'call local +7'],
    ['exit'],
  ]
  test.each(spellings.map((group) => [group[0]!, group]))('%s', (linux, group) => {
    for (const text of group) expect(listed(text), text).toBe(linux)
  })

  test('labels, functions and comments', () => {
    const text = `
      ; a bpftool listing starts its source lines so
      start: r6 = 10          // counts down
      again: call twice       # a function of this program
      r6 -= 1
      if r6 != 0 goto again
      r2 = twice ll           ; its address
      goto exit
      exit: exit
      twice:
        r0 = r6
        r0 <<= 1
        exit`
    const { insns, labels, lines } = assemble(text)
    expect(insns.map((_, slot) => (slot === 5 ? '' : insnText(insns, slot)))).toEqual([
      'r6 = 10',
      'call pc+6',
      'r6 -= 1',
      'if r6 != 0x0 goto pc-3',
      'r2 = subprog[+3]',
      '',
      'goto pc+0',
      'exit',
      'r0 = r6',
      'r0 <<= 1',
      'exit',
    ])
    expect(labels.get('twice')).toBe(8)
    expect(lines[8]).toBe(11)
  })

  test("bpftool's listing of a loaded program", () => {
    const text = `
int handle(void * ctx):
; u32 pid = bpf_get_current_pid_tgid() >> 32;
   0: (85) call bpf_get_current_pid_tgid#201552
   1: (77) r0 >>= 32
; @ handle.bpf.c:12
   2: (18) r1 = map[id:4][0]+16
   4: (85) call pc+1#bpf_prog_8f3a_sub
   5: (95) exit`
    const { insns } = assemble(text)
    expect(insns).toHaveLength(6)
    expect(insnText(insns, 0)).toBe('call bpf_get_current_pid_tgid#14')
    expect(insnText(insns, 2)).toBe('r1 = map[id:4][0]+16')
    expect(insnText(insns, 4)).toBe('call pc+1')
  })

  test('maps and kernel functions by name are left to the loader', () => {
    const text = 'r1 = map[counts]\nr2 = map[config][0]+16\nr3 = counts ll\ncall bpf_task_acquire'
    expect(assemble(text).relocations).toEqual([
      { slot: 0, kind: 'map', name: 'counts' },
      { slot: 2, kind: 'map', name: 'config' },
      { slot: 4, kind: 'map', name: 'counts' },
      { slot: 6, kind: 'kfunc', name: 'bpf_task_acquire' },
    ])
    const { insns, relocations } = assemble(text, { maps: { counts: 5, config: 6 } })
    expect(relocations).toHaveLength(1)
    expect(insns.slice(0, 4)).toEqual([
      { code: 0x18, dst: 1, src: 1, off: 0, imm: 5 },
      { code: 0, dst: 0, src: 0, off: 0, imm: 0 },
      { code: 0x18, dst: 2, src: 2, off: 0, imm: 6 },
      { code: 0, dst: 0, src: 0, off: 0, imm: 16 },
    ])
  })

  test('constants may stand for numbers', () => {
    const { insns } = assemble('r1 = SIZE\nr2 = *(u32 *)(r1 AT)', { constants: { SIZE: 64, AT: -4 } })
    expect(disassemble(insns)).toBe('   0: (b7) r1 = 64\n   1: (61) r2 = *(u32 *)(r1 -4)\n')
  })

  test.each([
    ['r0 = 1\nr0 ? 2', 'line 2: cannot read `? 2`'],
    ['r11 = 0', 'line 1: no register r11: the last is r10'],
    ['goto nowhere', 'line 1: no label nowhere'],
    ['r0 = *(u32 *)(r1 +40000)', 'line 1: 40000 does not fit into 16 bits'],
    ['r0 += 4294967296', 'line 1: 4294967296 does not fit into 32 bits'],
    ['blah %r0, 1', 'line 1: no such instruction: blah %r0, 1'],
    ['r1 = w2', 'line 1: no such instruction: r1 = w2'],
    ['r1 = -r2', 'line 1: no such instruction: r1 = -r2'],
    ['callx %r1', 'line 1: Linux has no call of a register (callx)'],
    ['x: exit\nx: exit', 'line 2: label x is there already'],
    ['goto +32768', 'line 1: too far for a 16-bit jump (gotol goes further)'],
  ])('%s is refused', (text, message) => {
    expect(() => assemble(text)).toThrow(expect.objectContaining({ name: 'UserError', message }))
  })
})

describe('disassembler', () => {
  const text = (code: number, fields: object): string =>
    insnText([{ code, dst: 0, src: 0, off: 0, imm: 0, ...fields }], 0)

  test('prints what will be refused as Linux does', () => {
    expect(text(0xff, {})).toBe('BUG_ff')
    expect(text(0xdb, { imm: 2 })).toBe('BUG_db')
    expect(text(0xd4, { imm: 17 })).toBe('r0 = le17 r0')
    expect(text(0x95, { imm: 1 })).toBe('exit')
    expect(text(0x85, { imm: 9999 })).toBe('call unknown#9999')
  })

  test('names that a caller knows take the place of numbers', () => {
    const { insns } = assemble('r1 = map[id:7]\ncall kernel-function#42\ncall pc+1')
    const names = {
      wide: () => 'map[counts]',
      call: (insn: { src: number }) => (insn.src === 2 ? 'bpf_task_release' : undefined),
    }
    expect([0, 2, 3].map((slot) => insnText(insns, slot, names))).toEqual([
      'r1 = map[counts]',
      'call bpf_task_release#42',
      'call pc+1',
    ])
  })
})
