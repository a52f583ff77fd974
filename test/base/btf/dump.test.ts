import { expect, test } from 'vitest'
import { dumpC } from '../../../base/btf/c-dump.ts'
import { BtfBuilder } from '../../../base/btf/encode.ts'
import { dumpRaw } from '../../../base/btf/raw-dump.ts'
import type { BtfDraft, BtfMember } from '../../../base/btf/types.ts'
import { SAMPLE } from './sample.ts'

/** The header's declarations, without its frame. */
function header(...types: BtfDraft[]): string {
  const builder = new BtfBuilder()
  for (const type of types) builder.add(type)
  const text = dumpC(builder.build())
  return text.slice(text.indexOf('#endif\n') + 7, text.lastIndexOf('#ifndef')).trim()
}

const int = (name: string, size: number): BtfDraft => {
  return { kind: 'int', name, size, signed: true, char: false, bool: false, bitOffset: 0, bits: size * 8 }
}
const member = (name: string, type: number, bitOffset: number, bits = 0): BtfMember => ({ name, type, bitOffset, bits })
const struct = (name: string, size: number, ...members: BtfMember[]): BtfDraft => {
  return { kind: 'struct', name, size, bitfields: members.some(({ bits }) => bits > 0), members }
}
const INT = int('int', 4)
const CHAR = int('char', 1)
const LONG = int('long int', 8)

test('raw form, every kind', () => {
  const builder = new BtfBuilder()
  for (const type of SAMPLE) builder.add(type)
  expect(dumpRaw(builder.build())).toMatchInlineSnapshot(`
    "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
    [2] INT 'char' size=1 bits_offset=0 nr_bits=8 encoding=SIGNED
    [3] PTR '(anon)' type_id=4
    [4] CONST '(anon)' type_id=2
    [5] ARRAY '(anon)' type_id=2 index_type_id=1 nr_elems=16
    [6] STRUCT 'event' size=24 vlen=2
    	'pid' type_id=1 bits_offset=0
    	'comm' type_id=5 bits_offset=32
    [7] STRUCT 'flags' size=4 vlen=2
    	'low' type_id=1 bits_offset=0 bitfield_size=3
    	'high' type_id=1 bits_offset=3 bitfield_size=29
    [8] UNION '(anon)' size=4 vlen=1
    	'raw' type_id=1 bits_offset=0
    [9] ENUM 'state' encoding=SIGNED size=4 vlen=2
    	'GONE' val=-1
    	'THERE' val=1
    [10] ENUM 'mask' encoding=UNSIGNED size=4 vlen=1
    	'ALL' val=4294967295
    [11] ENUM64 'wide' encoding=UNSIGNED size=8 vlen=1
    	'TOP' val=9223372036854775809ULL
    [12] ENUM64 'low' encoding=SIGNED size=8 vlen=1
    	'LEAST' val=-9223372036854775808LL
    [13] FWD 'sock' fwd_kind=struct
    [14] FWD 'sockaddr_any' fwd_kind=union
    [15] TYPEDEF 'pid_t' type_id=1
    [16] VOLATILE '(anon)' type_id=15
    [17] RESTRICT '(anon)' type_id=3
    [18] FUNC_PROTO '(anon)' ret_type_id=1 vlen=2
    	'ev' type_id=21
    	'(anon)' type_id=0
    [19] FUNC 'handle' type_id=18 linkage=global
    [20] FUNC 'bpf_key_put' type_id=18 linkage=extern
    [21] PTR '(anon)' type_id=6
    [22] VAR 'counter' type_id=16, linkage=global
    [23] DATASEC '.bss' size=4 vlen=1
    	type_id=22 offset=0 size=4 (VAR 'counter')
    [24] FLOAT 'double' size=8
    [25] DECL_TAG 'bpf_kfunc' type_id=19 component_idx=-1
    [26] DECL_TAG 'arena' type_id=6 component_idx=1
    [27] TYPE_TAG 'user' type_id=2
    [28] TYPE_TAG 'address_space(1)' type_id=2
    "
  `)
})

test('what is held comes first, what is pointed to is declared first', () => {
  expect(
    header(
      struct('outer', 16, member('in', 3, 0), member('to', 4, 64)),
      INT,
      struct('inner', 8, member('x', 2, 0), member('y', 2, 32)),
      { kind: 'ptr', name: '', type: 5 },
      struct('later', 4, member('x', 2, 0)),
    ),
  ).toMatchInlineSnapshot(`
    "struct inner {
    	int x;
    	int y;
    };

    struct later;

    struct outer {
    	struct inner in;
    	struct later *to;
    };

    struct later {
    	int x;
    };"
  `)
})

test('padding is written where C would leave none, and at the end', () => {
  expect(header(INT, struct('gap', 32, member('x', 1, 0), member('y', 1, 128)))).toMatchInlineSnapshot(`
    "struct gap {
    	int x;
    	long: 32;
    	long: 64;
    	int y;
    	long: 32;
    	long: 64;
    };"
  `)
})

test('members closer than C puts them make a packed struct', () => {
  expect(
    header(
      CHAR,
      LONG,
      struct('packed', 9, member('tag', 1, 0), member('value', 2, 8)),
      struct('short', 12, member('v', 2, 0), member('c', 1, 64)),
    ),
  ).toMatchInlineSnapshot(`
    "struct packed {
    	char tag;
    	long int value;
    } __attribute__((packed));

    struct short {
    	long int v;
    	char c;
    	long: 24;
    } __attribute__((packed));"
  `)
})

test('bitfields, with the gaps between them', () => {
  expect(
    header(
      INT,
      struct('flags', 8, member('a', 1, 0, 3), member('b', 1, 3, 5), member('c', 1, 12, 4), member('d', 1, 32)),
    ),
  ).toMatchInlineSnapshot(`
    "struct flags {
    	int a: 3;
    	int b: 5;
    	long: 4;
    	int c: 4;
    	int d;
    };"
  `)
})

test('anonymous members, function pointers, arrays, qualifiers', () => {
  expect(
    header(
      INT,
      { kind: 'union', name: '', size: 4, bitfields: false, members: [member('a', 1, 0), member('b', 1, 0)] },
      {
        kind: 'func_proto',
        name: '',
        returnType: 0,
        params: [
          { name: 'arg', type: 1 },
          { name: '', type: 0 },
        ],
      },
      { kind: 'ptr', name: '', type: 3 },
      { kind: 'const', name: '', type: 4 },
      { kind: 'array', name: '', type: 5, indexType: 1, length: 2 },
      struct('ops', 24, member('', 2, 0), member('run', 6, 64)),
    ),
  ).toMatchInlineSnapshot(`
    "struct ops {
    	union {
    		int a;
    		int b;
    	};
    	void (*const run[2])(int arg, ...);
    };"
  `)
})

test('two types of one name, enumerators too', () => {
  expect(
    header(
      INT,
      struct('same', 4, member('x', 1, 0)),
      struct('same', 4, member('y', 1, 0)),
      { kind: 'typedef', name: 'first', type: 2 },
      { kind: 'typedef', name: 'second', type: 3 },
      { kind: 'enum', name: '', size: 4, signed: false, values: [{ name: 'A', value: 1 }] },
      { kind: 'enum', name: 'e', size: 1, signed: false, values: [{ name: 'A', value: 2 }] },
      { kind: 'enum64', name: 'wide', size: 8, signed: false, values: [{ name: 'B', value: 2n ** 63n }] },
    ),
  ).toMatchInlineSnapshot(`
    "struct same {
    	int x;
    };

    struct same___2 {
    	int y;
    };

    typedef struct same first;

    typedef struct same___2 second;

    enum {
    	A = 1,
    };

    enum e {
    	A___2 = 2,
    } __attribute__((mode(QI)));

    enum wide {
    	B = 9223372036854775808ULL,
    };"
  `)
})

test('a struct that points to itself, and one that is only declared', () => {
  expect(
    header(
      struct('list', 16, member('next', 2, 0), member('owner', 4, 64)),
      { kind: 'ptr', name: '', type: 1 },
      {
        kind: 'fwd',
        name: 'module',
        union: false,
      },
      { kind: 'ptr', name: '', type: 3 },
    ),
  ).toMatchInlineSnapshot(`
    "struct list;

    struct module;

    struct list {
    	struct list *next;
    	struct module *owner;
    };"
  `)
})
