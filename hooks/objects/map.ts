// A map as bpf(2) knows it: the machine's map with its descriptor counts and the flags of its file.

import type { BpfMap } from '../../ebpf-vm/maps/map.ts'
import type { BtfObject } from './btf.ts'
import type { Ids } from './ids.ts'
import { BpfObject } from './object.ts'

export class MapObject extends BpfObject {
  readonly kind = 'map'
  readonly map: BpfMap
  readonly btf: BtfObject | undefined
  readonly #ids: Ids<MapObject>

  constructor(ids: Ids<MapObject>, map: BpfMap, btf: BtfObject | undefined) {
    super()
    this.map = map
    this.btf = btf?.hold()
    this.#ids = ids
    ids.set(map.id, this)
  }

  get id(): number {
    return this.map.id
  }

  protected destroy(): void {
    this.#ids.remove(this.map.id)
    this.map.free()
    this.btf?.release()
  }
}
