// What a compiled program calls in JavaScript: every import takes and returns i32 words.

import { InternalError } from '../../base/errors.ts'
import { faultAt, outOfReach } from '../fault.ts'
import type { HelperImpl } from '../helper.ts'
import type { Form } from '../isa/forms.ts'
import { isHelperCall } from '../isa/insn.ts'
import { SIZE } from '../isa/opcodes.ts'
import type { Machine } from '../machine.ts'
import { RECORD, RingbufMap } from '../maps/ringbuf.ts'
import type { VerifiedProgram } from '../program.ts'
import { MAP_TYPE } from '../uapi.ts'

export type Run = (...words: number[]) => number

export interface Import {
  readonly words: number
  readonly run: Run
}

/** Helpers that are compiled to reads of the machine's cells: ktime, CPU, pid and tgid, comm, the current task. */
const CELL_HELPERS = new Set([5, 8, 14, 16, 35, 125])
const PERCPU_MAPS = new Set<number>([MAP_TYPE.percpu_array, MAP_TYPE.percpu_hash, MAP_TYPE.lru_percpu_hash])

/**
 * Whether the program reads cells. Then they must be fresh behind every call out: time has passed, and another program that ran
 * meanwhile may have been for another task or CPU.
 */
export const readsCells = (program: VerifiedProgram): boolean =>
  program.insns.some((insn) => isHelperCall(insn) && CELL_HELPERS.has(insn.imm)) ||
  program.maps.some(({ type }) => PERCPU_MAPS.has(type))

/** Imports that do not depend on the program's own calls, by name. */
export function commonImports(
  machine: Machine,
  program: VerifiedProgram,
  forms: readonly (Form | undefined)[],
): Record<string, Import> {
  const { loadPacket } = machine.tables
  const refresh = readsCells(program)
  return {
    fault: {
      words: 3,
      run: (slot, lo, hi) => {
        const form = forms[slot!]!
        const bytes = 'size' in form ? SIZE[form.size].bytes : 0
        throw faultAt(program, slot!, outOfReach(bytes, lo!, hi!, 'kernel memory'))
      },
    },
    overflow: {
      words: 0,
      run: () => {
        throw new InternalError(`${program.name}: BPF programs nest too deeply for the stack area`)
      },
    },
    update: {
      words: 4,
      run: (map, key, value, flags) => machine.mapAt(map!).update(key!, value!, flags! >>> 0),
    },
    commit: {
      words: 3,
      run: (record, size, flags) => {
        machine.settle()
        RingbufMap.of(machine, record! + RECORD.header).finish(record!, size!, flags!)
        if (refresh) machine.refreshCells()
        return 0
      },
    },
    programSlot: { words: 2, run: (map, index) => machine.mapAt(map!).programSlot(index! >>> 0) },
    // The result's high half says whether there was anything to load.
    loadPacket: {
      words: 3,
      run: (ctx, offset, bytes) => {
        if (!loadPacket) throw new InternalError('legacy packet load, but this kernel has no packets')
        machine.settle()
        const value = loadPacket(ctx!, offset!, bytes! as 1 | 2 | 4)
        machine.mem.i32[machine.cells.resultHi >> 2] = value < 0 ? 1 : 0
        return value < 0 ? 0 : value | 0
      },
    },
  }
}

/** A helper or kfunc: time charged so far is settled before it runs, cells are fresh behind it where the program reads them. */
export function helperImport(machine: Machine, program: VerifiedProgram, impl: HelperImpl): Import {
  const plain: Run = impl.run.bind(impl)
  const words = impl.takes.reduce((sum, takes) => sum + (takes === 'u64' ? 2 : 1), 0)
  if (!readsCells(program)) return { words, run: settled(machine, plain, words) }
  const run = settled(machine, plain, words)
  return {
    words,
    run: (...args) => {
      const result = run(...args)
      machine.refreshCells()
      return result
    },
  }
}

/** With as many parameters as words: spreading them would cost several times the call. */
function settled(machine: Machine, run: Run, words: number): Run {
  switch (words) {
    case 0:
      return () => {
        machine.settle()
        return run()
      }
    case 1:
      return (a) => {
        machine.settle()
        return run(a!)
      }
    case 2:
      return (a, b) => {
        machine.settle()
        return run(a!, b!)
      }
    case 3:
      return (a, b, c) => {
        machine.settle()
        return run(a!, b!, c!)
      }
    case 4:
      return (a, b, c, d) => {
        machine.settle()
        return run(a!, b!, c!, d!)
      }
    case 5:
      return (a, b, c, d, f) => {
        machine.settle()
        return run(a!, b!, c!, d!, f!)
      }
    default:
      return (...args) => {
        machine.settle()
        return run(...args)
      }
  }
}
