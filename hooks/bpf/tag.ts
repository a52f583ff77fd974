// bpf_prog_calc_tag(): the first 8 bytes of the SHA-1 of a program's instructions, with map descriptors (which differ from load to
// load) as zero.

import { encode, type Insn, isLdImm64 } from '../../ebpf-vm/isa/insn.ts'
import { PSEUDO } from '../../ebpf-vm/isa/opcodes.ts'

export function programTag(insns: readonly Insn[]): Uint8Array {
  const neutral = insns.map((insn, i) => {
    const named = insns[i - 1]
    const isMap = isMapLoad(insn) || (named !== undefined && isMapLoad(named) && insn.code === 0)
    return isMap ? { ...insn, imm: 0 } : insn
  })
  return sha1(encode(neutral)).slice(0, 8)
}

const isMapLoad = (insn: Insn): boolean =>
  isLdImm64(insn) && (insn.src === PSEUDO.map_fd || insn.src === PSEUDO.map_value)

const rotate = (word: number, by: number): number => (word << by) | (word >>> (32 - by))

/** SHA-1 (FIPS 180-4); crypto.subtle is asynchronous, bpf(2) is not. */
export function sha1(message: Uint8Array): Uint8Array {
  const blocks = Math.ceil((message.length + 9) / 64)
  const padded = new Uint8Array(blocks * 64)
  padded.set(message)
  padded[message.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setUint32(padded.length - 8, Math.floor(message.length / 0x2000_0000))
  view.setUint32(padded.length - 4, message.length << 3)

  const state = new Int32Array([0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0])
  const w = new Int32Array(80)
  for (let block = 0; block < blocks; block++) {
    for (let i = 0; i < 16; i++) w[i] = view.getInt32(block * 64 + i * 4)
    for (let i = 16; i < 80; i++) w[i] = rotate(w[i - 3]! ^ w[i - 8]! ^ w[i - 14]! ^ w[i - 16]!, 1)
    let [a, b, c, d, e] = state as unknown as [number, number, number, number, number]
    for (let i = 0; i < 80; i++) {
      const mixed =
        i < 20
          ? ((b & c) | (~b & d)) + 0x5a827999
          : i < 40
            ? (b ^ c ^ d) + 0x6ed9eba1
            : i < 60
              ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
              : (b ^ c ^ d) + 0xca62c1d6
      const next = (rotate(a, 5) + mixed + e + w[i]!) | 0
      e = d
      d = c
      c = rotate(b, 30)
      b = a
      a = next
    }
    state[0]! += a
    state[1]! += b
    state[2]! += c
    state[3]! += d
    state[4]! += e
  }
  const digest = new Uint8Array(20)
  const out = new DataView(digest.buffer)
  for (let i = 0; i < 5; i++) out.setInt32(i * 4, state[i]!)
  return digest
}
