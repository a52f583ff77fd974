import { describe, expect, test } from 'vitest'
import { profileFor } from '../../../kernel-sim/profiles/profile.ts'
import { resolveExterns } from '../../../user-space/object/externs-resolve.ts'
import { linkProgram } from '../../../user-space/object/link.ts'
import { sectionDefinition } from '../../../user-space/object/sections.ts'
import type { ObjectSpec } from '../../../user-space/object/spec.ts'
import { readTestObject } from './support.ts'

const context = (spec: ObjectSpec) => ({
  spec,
  finder: undefined,
  externs: new Map(),
  mapFd: (name: string) => 100 + Object.keys(spec.maps).indexOf(name),
  moduleFd: () => ({ fd: 0, index: 0 }),
})

describe('programs', () => {
  test('have type, attach type and target from their section, and ? keeps one from being loaded', () => {
    const { programs } = readTestObject('subprograms')
    expect(programs['first']).toMatchObject({
      section: 'raw_tp/sys_enter',
      type: 17,
      target: 'sys_enter',
      autoload: true,
    })
    expect(programs['looping']).toMatchObject({ section: 'raw_tp/sched_switch', autoload: false, autoattach: false })
  })

  test.each([
    ['kprobe/vfs_read', 'kprobe', 'kprobe'],
    ['kprobe.multi/vfs_*', 'kprobe', 'kprobe_multi'],
    ['tp/syscalls/sys_enter_open', 'tracepoint', 'tracepoint'],
    ['fentry.s/x', 'tracing', 'trace'],
    ['xdp', 'xdp', undefined],
    ['cgroup/sock_create', 'cgroup_sock', undefined],
  ])('%s is %s', (section, progType, attach) => {
    expect(sectionDefinition(section)).toMatchObject({ progType, attach })
  })

  test.each(['kprobes/x', 'xdp/other', 'tracepointx'])('%s is no section of libbpf', (section) => {
    expect(sectionDefinition(section)).toBeUndefined()
  })
})

describe('subprograms', () => {
  const spec = readTestObject('subprograms')
  const calls = (name: string) => {
    const { insns } = linkProgram(spec.programs[name]!, context(spec))
    return insns.flatMap((insn, at) => (insn.code === 0x85 && insn.src === 1 ? [at + 1 + insn.imm] : []))
  }
  const starts = (name: string) => linkProgram(spec.programs[name]!, context(spec)).funcInfo.map(({ insn }) => insn)

  test('are appended once each, in the order of the first call, and calls reach them', () => {
    for (const name of ['first', 'second']) {
      const [, ...entries] = starts(name)
      expect(new Set(calls(name))).toEqual(new Set(entries))
    }
    expect(starts('first')).toHaveLength(4)
    expect(starts('second')).toHaveLength(3)
  })

  test('whose address is taken become function references', () => {
    const { insns } = linkProgram(spec.programs['looping']!, context(spec))
    const at = insns.findIndex((insn) => insn.code === 0x18 && insn.src === 4)
    expect(starts('looping')).toContain(at + 1 + insns[at]!.imm)
  })

  test('bring their lines along', () => {
    const linked = linkProgram(spec.programs['second']!, context(spec))
    const texts = linked.lineInfo.map((line) => spec.btf!.string(line.textOffset).trim())
    expect(texts).toContain('return leaf(n) * 2;')
    expect(linked.lineInfo.map(({ insn }) => insn)).toEqual(
      [...linked.lineInfo.map(({ insn }) => insn)].sort((a, b) => a - b),
    )
  })
})

describe('maps', () => {
  const { maps, programs } = readTestObject('maps')
  test('by type, by size, with flags and pinning', () => {
    expect(maps['by_type']).toMatchObject({
      type: 1,
      keySize: 4,
      valueSize: 16,
      maxEntries: 100,
      flags: 1,
      pinned: true,
    })
    expect(maps['by_size']).toMatchObject({ type: 7, keySize: 4, valueSize: 1016, keyType: 0 })
    expect(maps['extra']).toMatchObject({ extra: 3n })
  })
  test('a ring’s size becomes a power of two of pages', () => {
    expect(maps['ring']!.maxEntries).toBe(8192)
  })
  test('of maps know their inner map and their elements', () => {
    expect(maps['outer']!.inner).toMatchObject({ name: 'outer.inner', type: 2, valueSize: 8, maxEntries: 2 })
    expect(maps['outer']!.slots).toEqual([
      { index: 1, name: 'inner_one' },
      { index: 3, name: 'inner_two' },
    ])
    expect(maps['jumps']!.slots).toEqual([{ index: 1, name: 'tail' }])
  })
  test('of legacy sections, and an offset in the target', () => {
    const legacy = readTestObject('legacy')
    expect(legacy.maps['counts']).toMatchObject({ type: 1, keySize: 4, valueSize: 8, maxEntries: 64 })
    expect(legacy.programs['probe']!.target).toBe('vfs_read+8')
    const { insns } = linkProgram(legacy.programs['probe']!, context(legacy))
    expect(insns.find((insn) => insn.code === 0x18)).toMatchObject({ src: 1, imm: 101 })
  })
  test('sections of data have libbpf’s names in the kernel', () => {
    expect(Object.values(maps).map(({ kernelName }) => kernelName)).toEqual(
      expect.arrayContaining(['maps.rodata', 'maps.data', '.data.special', 'maps.bss']),
    )
    expect(programs['main_program']!.section).toBe('raw_tp/sys_exit')
  })
})

describe('variables', () => {
  test('read what the object holds', () => {
    expect(readTestObject('maps').variables).toMatchObject({
      limit: 7,
      greeting: 'hello',
      counter: 0n,
      latest: { count: 3n, name: 'abc' },
      special: 9,
    })
  })
  test('take values of their type', () => {
    const spec = readTestObject('maps')
    Object.assign(spec.variables, { limit: 8, greeting: 'good day', counter: -1n, latest: { name: 'x' } })
    expect(spec.variables).toMatchObject({
      limit: 8,
      greeting: 'good day',
      counter: 2n ** 64n - 1n,
      latest: { count: 3n, name: 'x' },
    })
    expect([...spec.maps['.rodata']!.data!.bytes.subarray(0, 4)]).toEqual([8, 0, 0, 0])
  })
  test.each<[string, unknown, string]>([
    ['limit', 2n ** 32n, "maps.bpf.o: variable 'limit': 4294967296 does not fit into 32 bits"],
    ['limit', 'many', 'maps.bpf.o: variable \'limit\': "many" is no integer'],
    ['greeting', 'x'.repeat(16), 'has 16 bytes, at most 15 fit'],
    ['limti', 1, "maps.bpf.o: no global variable 'limti'; did you mean 'limit'?"],
  ])('%s = %s is refused', (name, value, message) => {
    const spec = readTestObject('maps')
    expect(() => {
      spec.variables[name] = value
    }).toThrow(message)
  })
})

describe('externs', () => {
  const spec = readTestObject('externs')
  const { btf } = profileFor('6.12')
  const symbols: Record<string, bigint> = { jiffies_64: 0xffffffff82005000n }
  const target = {
    release: '6.12.117',
    btf,
    modules: [],
    config: 'CONFIG_BPF_SYSCALL=y\nCONFIG_HZ=250\nCONFIG_TUN=m\nCONFIG_CC_VERSION_TEXT="gcc 12"\n',
    symbolAddress: (name: string) => symbols[name],
  }
  const resolved = (changes: object = {}, bytes = new Uint8Array(64)) =>
    resolveExterns(spec, { ...target, ...changes }, bytes)

  test('configuration values are laid out by alignment and filled in', () => {
    const bytes = new Uint8Array(64)
    resolved({}, bytes)
    const view = new DataView(bytes.buffer)
    const at = (name: string): number => (spec.externs.find((each) => each.name === name) as { offset: number }).offset
    expect(view.getUint32(at('CONFIG_HZ'), true)).toBe(250)
    expect(view.getUint32(at('LINUX_KERNEL_VERSION'), true)).toBe((6 << 16) | (12 << 8) | 117)
    expect(view.getUint8(at('CONFIG_TUN'))).toBe(2)
    expect(view.getUint8(at('CONFIG_BPF_SYSCALL'))).toBe(1)
    expect(String.fromCharCode(...bytes.subarray(at('CONFIG_CC_VERSION_TEXT')).subarray(0, 7))).toBe('gcc 12\0')
  })

  test('kfuncs become ids of the kernel, symbols addresses, weak ones that are missing nothing', () => {
    expect(Object.fromEntries(resolved())).toMatchObject({
      bpf_task_from_pid: { kind: 'btf', id: btf.find('bpf_task_from_pid', 'func'), module: undefined },
      jiffies_64: { kind: 'address', address: 0xffffffff82005000n },
      no_such_symbol: { kind: 'missing' },
      bpf_no_such_kfunc: { kind: 'missing' },
    })
  })

  test('strong ones that are missing refuse the object', () => {
    expect(() => resolved({ config: '' })).toThrow("extern 'CONFIG_HZ' (strong): not resolved")
    expect(() => resolved({ symbolAddress: () => undefined })).toThrow("extern 'jiffies_64' (strong): not resolved")
    expect(() => resolved({ btf: readTestObject('maps').btf! })).toThrow(
      "extern (func ksym) 'bpf_task_from_pid': not found in kernel or module BTFs",
    )
  })

  test('are put into the instructions', () => {
    const link = (name: string) => linkProgram(spec.programs[name]!, { ...context(spec), externs: resolved() }).insns
    const kconfig = link('use').filter((insn) => insn.code === 0x18 && insn.src === 2)
    expect(kconfig.every((insn) => insn.imm >= 100)).toBe(true)
    const calls = link('kfuncs').filter((insn) => insn.code === 0x85)
    expect(calls.map((insn) => [insn.src, insn.imm])).toEqual([
      [2, btf.find('bpf_task_from_pid', 'func')],
      [2, btf.find('bpf_task_release', 'func')],
      [0, 2002000000 + spec.externs.findIndex((each) => each.name === 'bpf_no_such_kfunc')],
    ])
  })
})
