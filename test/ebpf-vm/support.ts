// A machine without a kernel around it: fixed time, one current task, and what was charged stays readable.
import { Allocator } from '../../base/allocator.ts'
import { silent } from '../../base/logger.ts'
import { KernelMemory } from '../../base/memory.ts'
import { Rng } from '../../base/rng.ts'
import type { HelperImpl } from '../../ebpf-vm/helper.ts'
import { plainKfuncs } from '../../ebpf-vm/helpers/impl/plain.ts'
import { Machine, type Platform } from '../../ebpf-vm/machine.ts'
import { createMap, mapTypes, plainMapTypes } from '../../ebpf-vm/maps/create.ts'
import type { BpfMap, MapAttr } from '../../ebpf-vm/maps/map.ts'

export class TestPlatform implements Platform {
  readonly mem: KernelMemory
  readonly alloc: Allocator
  readonly log = silent
  readonly cpus: number
  readonly #rng = new Rng(1)
  currentCpu = 0
  timeNs = 1_000_000
  charged = 0
  task: number

  constructor(cpus = 2, memoryBytes = 4 << 20) {
    this.mem = new KernelMemory(memoryBytes)
    this.alloc = new Allocator(this.mem)
    this.cpus = cpus
    this.task = this.alloc.alloc(256)
  }

  cpu(): number {
    return this.currentCpu
  }

  nowNs(): number {
    return this.timeNs
  }

  currentTask(): number {
    return this.task
  }

  charge(ns: number): void {
    this.charged += ns
    this.timeNs += ns
  }

  random(): number {
    return this.#rng.u32()
  }
}

export function testMachine(
  platform: Platform = new TestPlatform(),
  helpers: (machine: Machine) => ReadonlyMap<number, HelperImpl> = () => new Map(),
): Machine {
  return new Machine(platform, (machine) => ({ helpers: helpers(machine), kfuncs: plainKfuncs }))
}

const types = mapTypes(...plainMapTypes)

/** A map, or a thrown error that names the errno. */
export function testMap<T extends BpfMap>(machine: Machine, attr: MapAttr): T {
  const map = createMap(machine, types, attr)
  if (typeof map === 'number') throw new Error(`map not created: ${map}`)
  return map as T
}

export const tryMap = (machine: Machine, attr: MapAttr): BpfMap | number => createMap(machine, types, attr)
