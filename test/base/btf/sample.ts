// One type of every kind, as a builder takes them: what round trips and readers are tested on.

import type { BtfDraft } from '../../../base/btf/types.ts'

export const SAMPLE: readonly BtfDraft[] = [
  { kind: 'int', name: 'int', size: 4, signed: true, char: false, bool: false, bitOffset: 0, bits: 32 },
  { kind: 'int', name: 'char', size: 1, signed: true, char: true, bool: false, bitOffset: 0, bits: 8 },
  { kind: 'ptr', name: '', type: 4 },
  { kind: 'const', name: '', type: 2 },
  { kind: 'array', name: '', type: 2, indexType: 1, length: 16 },
  {
    kind: 'struct',
    name: 'event',
    size: 24,
    bitfields: false,
    members: [
      { name: 'pid', type: 1, bitOffset: 0, bits: 0 },
      { name: 'comm', type: 5, bitOffset: 32, bits: 0 },
    ],
  },
  {
    kind: 'struct',
    name: 'flags',
    size: 4,
    bitfields: true,
    members: [
      { name: 'low', type: 1, bitOffset: 0, bits: 3 },
      { name: 'high', type: 1, bitOffset: 3, bits: 29 },
    ],
  },
  { kind: 'union', name: '', size: 4, bitfields: false, members: [{ name: 'raw', type: 1, bitOffset: 0, bits: 0 }] },
  {
    kind: 'enum',
    name: 'state',
    size: 4,
    signed: true,
    values: [
      { name: 'GONE', value: -1 },
      { name: 'THERE', value: 1 },
    ],
  },
  { kind: 'enum', name: 'mask', size: 4, signed: false, values: [{ name: 'ALL', value: 0xffffffff }] },
  {
    kind: 'enum64',
    name: 'wide',
    size: 8,
    signed: false,
    values: [{ name: 'TOP', value: 0x8000000000000001n }],
  },
  { kind: 'enum64', name: 'low', size: 8, signed: true, values: [{ name: 'LEAST', value: -(2n ** 63n) }] },
  { kind: 'fwd', name: 'sock', union: false },
  { kind: 'fwd', name: 'sockaddr_any', union: true },
  { kind: 'typedef', name: 'pid_t', type: 1 },
  { kind: 'volatile', name: '', type: 15 },
  { kind: 'restrict', name: '', type: 3 },
  {
    kind: 'func_proto',
    name: '',
    returnType: 1,
    params: [
      { name: 'ev', type: 21 },
      { name: '', type: 0 },
    ],
  },
  { kind: 'func', name: 'handle', type: 18, linkage: 'global' },
  { kind: 'func', name: 'bpf_key_put', type: 18, linkage: 'extern' },
  { kind: 'ptr', name: '', type: 6 },
  { kind: 'var', name: 'counter', type: 16, linkage: 'global' },
  { kind: 'datasec', name: '.bss', size: 4, vars: [{ type: 22, offset: 0, size: 4 }] },
  { kind: 'float', name: 'double', size: 8 },
  { kind: 'decl_tag', name: 'bpf_kfunc', type: 19, componentIndex: -1, attribute: false },
  { kind: 'decl_tag', name: 'arena', type: 6, componentIndex: 1, attribute: true },
  { kind: 'type_tag', name: 'user', type: 2, attribute: false },
  { kind: 'type_tag', name: 'address_space(1)', type: 2, attribute: true },
]
