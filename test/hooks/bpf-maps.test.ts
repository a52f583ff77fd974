import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { errnoName } from '../../base/errno.ts'
import { MAP_TYPE, type MapTypeName } from '../../ebpf-vm/uapi.ts'
import type { AttrIn, Command } from '../../hooks/uapi/bpf-attr.ts'
import { type Rig, rig } from './rig.ts'

const COMMANDS: Record<string, Command> = {
  lookup: 'map_lookup_elem',
  update: 'map_update_elem',
  delete: 'map_delete_elem',
  next_key: 'map_get_next_key',
  take: 'map_lookup_and_delete_elem',
}

function create(r: Rig, [type, key, value, entries, flags]: readonly string[]): number {
  return r.host.bpf(r.task, 'map_create', {
    map_type: MAP_TYPE[type as MapTypeName],
    key_size: Number(key),
    value_size: Number(value),
    max_entries: Number(entries),
    map_flags: Number(flags),
  })
}

/** 64 bytes, of which the first hold the number. */
function bytes(text: string, fds: Map<string, number>): Uint8Array | undefined {
  if (text === '-') return undefined
  const words = new Uint32Array(256)
  words[0] = text.startsWith('fd:') ? fds.get(text.slice(3))! : Number(text)
  return new Uint8Array(words.buffer)
}

function operate(r: Rig, fds: Map<string, number>, [command, map, key, value, flags]: readonly string[]): number {
  const map_fd = fds.get(map!) ?? 999
  if (command === 'freeze') return r.host.bpf(r.task, 'map_freeze', { map_fd })
  const second = bytes(value!, fds)
  const attr = { map_fd, key: bytes(key!, fds), value: second, next_key: second, flags: BigInt(flags!) }
  const given = Object.fromEntries(Object.entries(attr).filter(([, field]) => field !== undefined))
  return r.host.bpf(r.task, COMMANDS[command!]!, given as AttrIn<'map_update_elem'>)
}

test('bpf(2) on maps returns what Linux returns', () => {
  const r = rig('trust')
  const fds = new Map<string, number>()
  const wrong: string[] = []
  for (const line of readFileSync('test/cases/hooks/bpf-maps.txt', 'utf8').split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const [what, expected] = line.split(' = ')
    const words = what!.split(' ')
    if (words[0] === 'map') {
      fds.set(words[1]!, create(r, words.slice(2)))
      continue
    }
    const result = words[0] === 'create' ? create(r, words.slice(1)) : operate(r, fds, words)
    const text = result < 0 ? `-${errnoName(result)}` : '0'
    if (text !== expected) wrong.push(`${what} = ${text}, on Linux ${expected}`)
  }
  expect(wrong).toEqual([])
})
