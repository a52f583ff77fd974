// Kfuncs of arenas. Addresses are those of user space.

import { PAGE_SIZE } from '../../../base/memory.ts'
import type { HelperImpl } from '../../helper.ts'
import type { Machine } from '../../machine.ts'
import { ArenaMap } from '../../maps/arena.ts'

const TWO_32 = 0x1_0000_0000
const addressOf = (lo: number, hi: number): number => (hi >>> 0) * TWO_32 + (lo >>> 0)

export function arenaKfuncs(machine: Machine): ReadonlyMap<string, HelperImpl> {
  const arenaAt = (map: number): ArenaMap | undefined => {
    const found = machine.mapAt(map)
    return found instanceof ArenaMap ? found : undefined
  }
  return new Map<string, HelperImpl>([
    [
      'bpf_arena_alloc_pages',
      {
        // map, address (NULL: anywhere), pages, NUMA node, flags
        takes: ['ptr', 'u64', 'u32', 's32', 'u64'],
        gives: 'u64',
        run(map, lo, hi, count, _node, flagsLo, flagsHi) {
          const arena = arenaAt(map!)
          const pages = count! >>> 0
          const wanted = addressOf(lo!, hi!)
          if (!arena || flagsLo! | flagsHi! || pages === 0 || wanted % PAGE_SIZE !== 0) return machine.giveU64(0, 0)
          const index = wanted === 0 ? -1 : ((lo! - arena.userLo) >>> 0) / PAGE_SIZE
          const first = arena.allocate(pages, index)
          return first < 0 ? machine.giveU64(0, 0) : machine.giveU64(arena.userLo + first * PAGE_SIZE, arena.userHi)
        },
      },
    ],
    [
      'bpf_arena_free_pages',
      {
        // map, address, pages
        takes: ['ptr', 'u64', 'u32'],
        gives: 'void',
        run(map, lo, _hi, count) {
          const arena = arenaAt(map!)
          const index = arena ? Math.floor(((lo! - arena.userLo) >>> 0) / PAGE_SIZE) : 0
          if (arena && index < arena.maxEntries) arena.freePages(index, count! >>> 0)
          return 0
        },
      },
    ],
  ])
}
