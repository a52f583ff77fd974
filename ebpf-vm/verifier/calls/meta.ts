// What a call's arguments established for the rest of its checking.

import type { Btf } from '../../../base/btf/btf.ts'
import type { HelperProto } from '../../../base/facts.ts'
import type { MapFacts } from '../../program.ts'
import type { MapField } from '../map-fields.ts'
import type { SlotObject } from '../reg.ts'

export interface HelperMeta {
  proto: HelperProto | undefined
  id: number
  map: MapFacts | undefined
  mapUid: number
  /** Memory that the call fills without reading it: checked as written afterwards. */
  rawMode: boolean
  accessSize: number
  regno: number
  /** Register of the argument that gives up its reference; 0: none. */
  releaseRegno: number
  refId: number
  memSize: number
  /** Largest value of the last memory size. */
  maxSizeL: number
  maxSizeH: number
  subprog: number
  btf: Btf | undefined
  btfId: number
  retBtf: Btf | undefined
  retBtfId: number
  dynptrId: number
  dynptr: SlotObject['dynptr'] | undefined
  dynptrRefId: number
  kptrField: MapField | undefined
  constMapKey: number | undefined
  /** The one subprogram that a callback argument is. */
  mapFound: boolean
}

export function newMeta(id: number, proto: HelperProto | undefined): HelperMeta {
  return {
    proto,
    id,
    map: undefined,
    mapUid: 0,
    rawMode: false,
    accessSize: 0,
    regno: 0,
    releaseRegno: 0,
    refId: 0,
    memSize: 0,
    maxSizeL: 0,
    maxSizeH: 0,
    subprog: -1,
    btf: undefined,
    btfId: 0,
    retBtf: undefined,
    retBtfId: 0,
    dynptrId: 0,
    dynptr: undefined,
    dynptrRefId: 0,
    kptrField: undefined,
    constMapKey: undefined,
    mapFound: false,
  }
}
