// BTF types as decoded values (Documentation/bpf/btf.rst). Type ids are numbers, 0 is void; names are '' where there is none.

export interface BtfMember {
  name: string
  type: number
  /** From the start of the struct, in bits. */
  bitOffset: number
  /** 0 when this is no bitfield. */
  bits: number
}

export interface BtfParam {
  name: string
  type: number
}

export type BtfType =
  | { kind: 'void'; id: 0; name: '' }
  | {
      kind: 'int'
      id: number
      name: string
      size: number
      signed: boolean
      char: boolean
      bool: boolean
      bitOffset: number
      bits: number
    }
  | { kind: 'ptr'; id: number; name: ''; type: number }
  | { kind: 'array'; id: number; name: ''; type: number; indexType: number; length: number }
  | { kind: 'struct' | 'union'; id: number; name: string; size: number; bitfields: boolean; members: BtfMember[] }
  | { kind: 'enum'; id: number; name: string; size: number; signed: boolean; values: { name: string; value: number }[] }
  | {
      kind: 'enum64'
      id: number
      name: string
      size: number
      signed: boolean
      values: { name: string; value: bigint }[]
    }
  | { kind: 'fwd'; id: number; name: string; union: boolean }
  | { kind: 'typedef'; id: number; name: string; type: number }
  | { kind: 'volatile' | 'const' | 'restrict'; id: number; name: ''; type: number }
  | { kind: 'func'; id: number; name: string; type: number; linkage: 'static' | 'global' | 'extern' }
  | { kind: 'func_proto'; id: number; name: ''; returnType: number; params: BtfParam[] }
  | { kind: 'var'; id: number; name: string; type: number; linkage: 'static' | 'global' | 'extern' }
  | { kind: 'datasec'; id: number; name: string; size: number; vars: { type: number; offset: number; size: number }[] }
  | { kind: 'float'; id: number; name: string; size: number }
  | { kind: 'decl_tag'; id: number; name: string; type: number; componentIndex: number; attribute: boolean }
  | { kind: 'type_tag'; id: number; name: string; type: number; attribute: boolean }

/** A type without its id, as it is handed to a BtfBuilder. */
export type BtfDraft = BtfType extends infer T ? (T extends BtfType ? Omit<T, 'id'> : never) : never

export type BtfKind = BtfType['kind']
/** The member of the union that kind K is one of (`struct` and `union` share theirs). */
type Holding<T, K> = T extends { kind: infer Q } ? (Extract<Q, K> extends never ? never : T) : never
export type BtfOf<K extends BtfKind> = Holding<BtfType, K>
export type BtfDraftOf<K extends BtfKind> = Holding<BtfDraft, K>
