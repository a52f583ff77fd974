import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { UserError } from '../../../base/errors.ts'
import { Layouts } from '../../../base/layouts.ts'
import { PROFILE_NAMES, profileFor, profileFromBtf } from '../../../kernel-sim/profiles/profile.ts'

describe.each(PROFILE_NAMES)('profile %s', (name) => {
  const profile = profileFor(name)
  const { btf } = profile
  const layouts = new Layouts(btf)

  test('structs are whole: each member lies within, and the last reaches the end', () => {
    for (const type of btf.types()) {
      if (type.kind !== 'struct' && type.kind !== 'union') continue
      for (const member of type.members) {
        const size = btf.sizeOf(member.type)
        expect(size, `${type.name}.${member.name} is complete`).toBeGreaterThanOrEqual(0)
        const end = member.bits > 0 ? member.bitOffset + member.bits : member.bitOffset + size * 8
        if (end > type.size * 8) throw new Error(`${type.name}.${member.name} ends past ${type.size}`)
      }
    }
  })

  test('what tools read lies where the real kernel has it', () => {
    const file = new URL(`../../data/offsets-${name}.json`, import.meta.url)
    const offsets = JSON.parse(readFileSync(file, 'utf8')) as Record<string, number[]>
    expect(Object.keys(offsets).length).toBeGreaterThan(100)
    for (const [key, expected] of Object.entries(offsets)) {
      const [struct, ...path] = key.split('.')
      const field = layouts.field(struct!.split('___')[0]!, path.join('.'))
      expect([field?.offset, field?.size, field?.bitOffset, field?.bits], key).toEqual(expected)
    }
  })

  test('functions that tools probe have prototypes', () => {
    for (const symbol of ['vfs_read', 'do_sys_openat2', 'tcp_v4_connect', '__x64_sys_execve', 'wake_up_new_task']) {
      const id = profile.functions.get(symbol)
      expect(id, symbol).toBeDefined()
      const func = btf.type(id!)
      expect(func.kind === 'func' && btf.type(func.type).kind).toBe('func_proto')
    }
  })

  test('system calls by number, with their events', () => {
    const openat = profile.syscalls.find((call) => call.number === 257)
    expect(openat).toEqual({
      number: 257,
      call: 'openat',
      name: 'openat',
      args: [
        { type: 'int', name: 'dfd' },
        { type: 'const char *', name: 'filename' },
        { type: 'int', name: 'flags' },
        { type: 'umode_t', name: 'mode' },
      ],
    })
    expect(profile.syscalls.find((call) => call.call === 'stat')?.name).toBe('newstat')
    expect(profile.syscalls.map((call) => call.call)).toContain('getpid')
    expect(profile.symbols).toContainEqual({ name: '__x64_sys_getpid', aliasOf: '__do_sys_getpid' })
    const enter = profile.tracepoints.find((record) => record.name === 'sys_enter_openat')
    expect(enter?.fields.map((field) => [field.type, field.name, field.offset, field.sizeBytes])).toEqual([
      ['int', '__syscall_nr', 8, 4],
      ['int', 'dfd', 16, 8],
      ['const char *', 'filename', 24, 8],
      ['int', 'flags', 32, 8],
      ['umode_t', 'mode', 40, 8],
    ])
  })

  test('constants and symbols', () => {
    expect(profile.constants.get('BPF_FUNC_map_lookup_elem')).toBe(1)
    expect(profile.constants.get('BPF_F_CURRENT_CPU')).toBe(0xffffffffn)
    expect(profile.constants.get('TCP_LISTEN')).toBe(10)
    const names = profile.symbols.map((symbol) => symbol.name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toContain('finish_task_switch.isra.0')
    expect(names).toContain('vfs_read')
  })

  test('trace events have records and arguments, and ids of their own', () => {
    const exec = profile.tracepoints.find((record) => record.name === 'sched_process_exec')!
    expect(exec).toMatchObject({ system: 'sched', sizeBytes: 20 })
    expect(exec.fields.map((field) => `${field.type} ${field.name}@${field.offset}`)).toEqual([
      '__data_loc char[] filename@8',
      'pid_t pid@12',
      'pid_t old_pid@16',
    ])
    const proto = btf.type(exec.proto)
    expect(proto.kind === 'func_proto' && proto.params.length).toBe(4)
    const ids = profile.tracepoints.map((record) => record.id).filter((id) => id !== 0)
    expect(new Set(ids).size).toBe(ids.length)
  })
})

test('a release and the version it stands for', () => {
  const debian = profileFor('6.1')
  expect(debian.release).toBe('6.1.0-56-amd64')
  expect(debian.version).toEqual({ major: 6, minor: 1, patch: 192 })
})

test('an unknown version is refused with those that exist', () => {
  expect(() => profileFor('5.4')).toThrow(new UserError('kernel 5.4: no such profile; there are 6.12, 6.1'))
})

test('any vmlinux BTF makes a profile; other BTF is refused', () => {
  const { btf, functions } = profileFor('6.1')
  const again = profileFromBtf(btf.encode(), 'vmlinux')
  expect(again.functions.size).toBe(functions.size)
  expect(again.version).toEqual({ major: 6, minor: 1, patch: 0 })
  expect(profileFromBtf(profileFor('6.12').btf.encode()).version).toEqual({ major: 6, minor: 12, patch: 0 })
  expect(() => profileFromBtf(new Uint8Array(40), 'x.btf')).toThrow(/^x\.btf: not BTF/)
})
