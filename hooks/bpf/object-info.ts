// BPF_OBJ_GET_INFO_BY_FD: the struct of the object's kind, as much of it as the caller has room for. Arrays that the caller asks for
// (map ids, translated instructions, BTF) are copied up to the count given; the count comes back as what there is.

import { ERRNO } from '../../base/errno.ts'
import { encode } from '../../ebpf-vm/isa/insn.ts'
import { Machine } from '../../ebpf-vm/machine.ts'
import type { HookFile } from '../files.ts'
import type { BpfHost } from '../host.ts'
import type { BtfObject } from '../objects/btf.ts'
import type { BpfLink, LinkInfo } from '../objects/link.ts'
import type { MapObject } from '../objects/map.ts'
import type { BpfProg } from '../objects/prog.ts'
import type { Attr } from '../uapi/bpf-attr.ts'
import { BTF_INFO, LINK_INFO, MAP_INFO, PROG_INFO } from '../uapi/bpf-info.ts'
import { copyFromUser, copyToUser, cstring, type Struct, type UserBytes } from '../uapi/codec.ts'
import { userMemory } from '../user-memory.ts'

type InfoAttr = Attr<'obj_get_info_by_fd'>
type Decoded<S> = S extends Struct<infer T> ? T : never

/** The struct of each kind of object that has one. */
export const INFO = { prog: PROG_INFO, map: MAP_INFO, btf: BTF_INFO, link: LINK_INFO } as const
export type InfoKind = keyof typeof INFO
export type Info<K extends InfoKind> = Decoded<(typeof INFO)[K]>

/** What Linux would fill in, or a negative errno. Pointers and counts in `given` say which arrays to copy where. */
export function infoOf(host: BpfHost, file: HookFile, given: object): object | number {
  switch (file.kind) {
    case 'prog':
      return progInfo(file.object, given as Info<'prog'>)
    case 'map':
      return mapInfo(host, file.object)
    case 'btf':
      return btfInfo(file.object, given as Info<'btf'>)
    case 'link':
      return linkInfo(file.object, given as Info<'link'>)
    case 'perf_event':
    case 'stats':
      return -ERRNO.EINVAL
  }
}

/** The caller's struct is read first (it names buffers), then overwritten. Bytes past what we know must be zero. */
export function objGetInfoByFd(host: BpfHost, attr: InfoAttr): number {
  const file = host.descriptors.get(attr.bpf_fd)
  if (file === undefined) return -ERRNO.EBADFD
  if (file === 'other' || !(file.kind in INFO)) return -ERRNO.EINVAL
  const layout = INFO[file.kind as InfoKind] as unknown as Struct<object>
  const whole = Math.ceil(layout.size / 8) * 8
  const bytes = copyFromUser(attr.info, 0, attr.info_len)
  if (!bytes) return -ERRNO.EFAULT
  if (bytes.subarray(whole).some((byte) => byte !== 0)) return -ERRNO.E2BIG
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const given = layout.decode(view, 0, (address) => userMemory(host.kernel.current, Number(address)))
  const info = infoOf(host, file, given)
  if (typeof info === 'number') return info
  const length = Math.min(attr.info_len, whole)
  const out = new Uint8Array(whole)
  out.set(bytes.subarray(0, length))
  layout.encodeInto(new DataView(out.buffer), 0, info)
  attr.info_len = length
  return copyToUser(attr.info, 0, out.subarray(0, length)) ? 0 : -ERRNO.EFAULT
}

/** Copy as much of an array as was asked for; false for -EFAULT. */
function copyArray(to: UserBytes | undefined, wanted: number, elementBytes: number, from: Uint8Array): boolean {
  const bytes = Math.min(wanted * elementBytes, from.length)
  return bytes === 0 || copyToUser(to, 0, from.subarray(0, bytes))
}

const u32Array = (values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer)

function progInfo(prog: BpfProg, given: Info<'prog'>): Partial<Info<'prog'>> | number {
  const { verified } = prog
  const ids = prog.maps.map((map) => map.id)
  if (!copyArray(given.map_ids, given.nr_map_ids, 4, u32Array(ids))) return -ERRNO.EFAULT
  const translated = encode(verified.insns)
  if (given.xlated_prog_len > 0 && !copyArray(given.xlated_prog_insns, given.xlated_prog_len, 1, translated))
    return -ERRNO.EFAULT
  const isJited = prog.loaded.engine === 'jit'
  const functions = verified.subprograms
  const tags = new Uint8Array(functions.length * 8)
  const symbols = new BigUint64Array(functions.length)
  for (let i = 0; i < functions.length; i++) {
    tags.set(prog.tag, i * 8)
    symbols[i] = BigInt(Machine.addressOf(prog.loaded.slot + i) >>> 0) | 0xffffffff_00000000n
  }
  if (!copyArray(given.prog_tags, given.nr_prog_tags, 8, tags)) return -ERRNO.EFAULT
  const wantsSymbols = given.nr_jited_ksyms > 0
  if (wantsSymbols && !copyArray(given.jited_ksyms, given.nr_jited_ksyms, 8, new Uint8Array(symbols.buffer)))
    return -ERRNO.EFAULT
  const funcInfo = new Uint8Array((verified.funcInfo?.length ?? 0) * 8)
  const view = new DataView(funcInfo.buffer)
  verified.funcInfo?.forEach(({ insn, type }, i) => {
    view.setUint32(i * 8, insn, true)
    view.setUint32(i * 8 + 4, type, true)
  })
  if (!copyArray(given.func_info, given.nr_func_info, 8, funcInfo)) return -ERRNO.EFAULT
  return {
    type: prog.type,
    id: prog.id,
    tag: prog.tag,
    // Compiled code is WebAssembly, whose bytes are no x86 to show; its functions are in the function table.
    jited_prog_len: 0,
    xlated_prog_len: translated.length,
    load_time: BigInt(prog.loadTimeNs),
    created_by_uid: prog.uid,
    nr_map_ids: ids.length,
    name: prog.name,
    gpl_compatible: verified.gplCompatible ? 1 : 0,
    nr_jited_ksyms: isJited ? functions.length : 0,
    nr_jited_func_lens: 0,
    btf_id: prog.btf?.id ?? 0,
    func_info_rec_size: 8,
    nr_func_info: verified.funcInfo?.length ?? 0,
    nr_line_info: 0,
    line_info_rec_size: 16,
    jited_line_info_rec_size: 8,
    nr_prog_tags: functions.length,
    run_time_ns: BigInt(prog.runTimeNs),
    run_cnt: BigInt(prog.runCnt),
    recursion_misses: BigInt(prog.missed),
    verified_insns: prog.verifiedInsns,
    attach_btf_obj_id: prog.attachBtf?.id ?? 0,
    attach_btf_id: verified.attachBtfId,
  }
}

function mapInfo(host: BpfHost, { map, btf }: MapObject): Partial<Info<'map'>> {
  return {
    type: map.type,
    id: map.id,
    key_size: map.keySize,
    value_size: map.valueSize,
    max_entries: map.maxEntries,
    map_flags: map.mapFlags,
    name: map.name,
    btf_vmlinux_value_type_id: map.btfVmlinuxValueTypeId,
    btf_id: btf?.id ?? 0,
    btf_key_type_id: map.btfKeyTypeId,
    btf_value_type_id: map.btfValueTypeId,
    btf_vmlinux_id: map.btfVmlinuxValueTypeId === 0 ? 0 : host.vmlinux.id,
    map_extra: BigInt(map.mapExtra),
  }
}

function btfInfo(object: BtfObject, given: Info<'btf'>): Partial<Info<'btf'>> | number {
  const { bytes, name } = object
  if (given.btf && !copyArray(given.btf, given.btf_size, 1, bytes)) return -ERRNO.EFAULT
  if (!given.name !== !given.name_len) return -ERRNO.EINVAL
  let error = 0
  if (given.name) {
    const fits = name.length < given.name_len
    const text = cstring(fits ? name : name.slice(0, given.name_len - 1))
    if (!copyToUser(given.name, 0, text)) return -ERRNO.EFAULT
    error = fits ? 0 : -ERRNO.ENOSPC
  }
  if (error !== 0) return error
  return { btf_size: bytes.length, id: object.id, name_len: name.length, kernel_btf: object.isKernel ? 1 : 0 }
}

function linkInfo(link: BpfLink, given: LinkInfo): Partial<LinkInfo> | number {
  const own = link.target.info?.(given) ?? {}
  if (typeof own === 'number') return own
  return { type: link.target.type, id: link.id, prog_id: link.prog.id, ...own }
}
