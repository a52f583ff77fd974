export { Btf, type BtfModifier } from './btf.ts'
export { BtfBuilder, mapTypeIds } from './encode.ts'
export type { BtfDraft, BtfKind, BtfMember, BtfOf, BtfParam, BtfType } from './types.ts'
