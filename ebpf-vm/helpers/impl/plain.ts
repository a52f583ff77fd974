// Every helper that needs no kernel around the machine. The kernel side lays its own over these.

import type { HelperImpl } from '../../helper.ts'
import { BpfException, type Machine } from '../../machine.ts'
import { basicHelpers } from './basic.ts'
import type { BoundHelper } from './bound.ts'
import { mapHelpers } from './maps.ts'
import { ringbufHelpers } from './ringbuf.ts'
import { stringHelpers } from './strings.ts'

export function plainHelpers(machine: Machine): Map<number, BoundHelper> {
  const all = [...mapHelpers(machine), ...ringbufHelpers(machine), ...stringHelpers(machine), ...basicHelpers(machine)]
  return new Map(all.map((helper) => [helper.id, helper]))
}

/** Kfuncs that need no kernel. */
export const plainKfuncs: ReadonlyMap<string, HelperImpl> = new Map([
  [
    'bpf_throw',
    {
      takes: ['u64'],
      gives: 'void',
      run: (lo, hi) => {
        throw new BpfException(lo!, hi!)
      },
    } satisfies HelperImpl,
  ],
])
