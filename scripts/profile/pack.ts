// BTF into the form of kernel-sim/profiles/packed.ts. Its inverse is unpackProfile().

import type { Btf } from '../../base/btf/btf.ts'
import { KIND_NAMES, KINDS, kflagOf, kindCodeOf, vlenOf } from '../../base/btf/format.ts'
import { readHeader } from '../../base/btf/validate.ts'
import { DIGITS, type PackedProfile, PROFILE_FORMAT, WORDS, type WordSort } from '../../kernel-sim/profiles/packed.ts'
import { indexTracepoints } from '../../kernel-sim/profiles/tracepoints.ts'

/** `btf` must come from a BtfBuilder: its strings stand in the order of their first use. Throws on names that are not ASCII. */
export function packProfile(btf: Btf, from: Pick<PackedProfile, 'origin' | 'release' | 'version'>): PackedProfile {
  const blob = btf.encode()
  const dv = new DataView(blob.buffer, blob.byteOffset, blob.byteLength)
  const { typesAt, typesEnd, stringsAt, stringsEnd } = readHeader(dv, from.release)
  const strings = Buffer.from(blob.subarray(stringsAt, stringsEnd)).toString('latin1').replaceAll('\0', '\n')
  if (/[^\n -~]|[\\`$]/.test(strings)) throw new Error(`${from.release}: a name that a template literal cannot hold`)
  const words = new Uint32Array(blob.slice(typesAt, typesEnd).buffer)
  const tracepoints = indexTracepoints(btf).map(({ system, name, typedef, structType }) => {
    return `${system || '-'} ${name} ${typedef} ${structType}`
  })
  return {
    format: PROFILE_FORMAT,
    origin: from.origin,
    release: from.release,
    version: from.version,
    strings,
    types: new Packer(words, strings).run(),
    words: words.length,
    tracepoints: tracepoints.join('\n'),
  }
}

class Packer {
  readonly #words: Uint32Array
  /** String index by offset. */
  readonly #indexes = new Map<number, number>()
  #text = ''
  #at = 0
  #nextString = 1
  #id = 0
  #kflag = false
  #offset = 0

  constructor(words: Uint32Array, strings: string) {
    this.#words = words
    let offset = 0
    for (const [index, text] of strings.split('\n').entries()) {
      this.#indexes.set(offset, index)
      offset += text.length + 1
    }
  }

  run(): string {
    while (this.#at < this.#words.length) {
      this.#id++
      const info = this.#words[this.#at + 1]!
      const kind = KIND_NAMES[kindCodeOf(info)]!
      this.#kflag = kflagOf(info)
      this.#offset = 0
      this.#number(kindCodeOf(info))
      this.#number(vlenOf(info) * 2 + (this.#kflag ? 1 : 0))
      this.#word('name')
      this.#at++
      this.#word(KINDS[kind].refers ? 'type' : 'plain')
      const { tail, each } = WORDS[kind]
      for (const sort of tail) this.#word(sort)
      if (each.length > 0) for (let i = 0; i < vlenOf(info); i++) for (const sort of each) this.#word(sort)
    }
    return this.#text
  }

  #word(sort: WordSort): void {
    const word = this.#words[this.#at++]!
    switch (sort) {
      case 'name': {
        const index = this.#indexes.get(word)!
        if (index === 0) this.#number(0)
        else if (index === this.#nextString) {
          this.#nextString++
          this.#number(1)
        } else this.#number(index + 2)
        break
      }
      case 'type':
        this.#signed(this.#id - word)
        break
      case 'offset': {
        const offset = this.#kflag ? word & 0xffffff : word
        if (this.#kflag) this.#number(word >>> 24)
        this.#signed(offset - this.#offset)
        this.#offset = offset
        break
      }
      case 'signed':
        this.#signed(word | 0)
        break
      case 'plain':
        this.#number(word)
    }
  }

  #signed(value: number): void {
    this.#number(((value << 1) ^ (value >> 31)) >>> 0)
  }

  #number(value: number): void {
    for (; value >= 32; value >>>= 5) this.#text += DIGITS[32 + (value & 31)]
    this.#text += DIGITS[value]
  }
}
