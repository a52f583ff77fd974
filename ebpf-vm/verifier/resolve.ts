// 64-bit immediates: the maps, map values, kernel variables and functions that they name. Unknown opcodes end here.

import { isOpcode } from '../isa/forms.ts'
import { isLdImm64 } from '../isa/insn.ts'
import { CLASS, MODE, PSEUDO } from '../isa/opcodes.ts'
import type { MapFacts } from '../program.ts'
import { MAP_TYPE } from '../uapi.ts'
import { isStruct, skipModifiers } from './btf-types.ts'
import { checkMapForProgram } from './calls/map-rules.ts'
import type { Env } from './env.ts'

const MAX_VAR_OFF = 1 << 29

export function resolveImmediates(env: Env): void {
  const { insns } = env
  for (let i = 0; i < insns.length; i++) {
    const insn = insns[i]!
    const mode = insn.code & 0xe0
    if ((insn.code & 7) === CLASS.ldx && ((mode !== MODE.mem && mode !== MODE.memsx) || insn.imm !== 0))
      env.fail('EINVAL', 'BPF_LDX uses reserved fields')
    if (!isLdImm64(insn)) {
      if (!isOpcode(insn.code)) env.fail('EINVAL', `unknown opcode ${insn.code.toString(16).padStart(2, '0')}`)
      continue
    }
    const second = insns[i + 1]
    if (!second || second.code || second.dst || second.src || second.off)
      env.fail('EINVAL', 'invalid bpf_ld_imm64 insn')
    resolve(env, i)
    i++
  }
}

function resolve(env: Env, at: number): void {
  const insn = env.insns[at]!
  const high = env.insns[at + 1]!.imm
  switch (insn.src) {
    case 0:
      return
    case PSEUDO.btf_id:
      resolveVariable(env, at)
      return
    case PSEUDO.func:
      env.immediates.set(at, { kind: 'func', subprog: env.findSubprog(at + insn.imm + 1) })
      return
    case PSEUDO.map_value:
    case PSEUDO.map_idx_value:
      break
    case PSEUDO.map_fd:
    case PSEUDO.map_idx:
      if (high === 0) break
      env.fail('EINVAL', 'unrecognized bpf_ld_imm64 insn')
      break
    default:
      env.fail('EINVAL', 'unrecognized bpf_ld_imm64 insn')
  }
  const isIndex = insn.src === PSEUDO.map_idx || insn.src === PSEUDO.map_idx_value
  const map = env.input.mapByFd(insn.imm, isIndex)
  if (!map) env.fail('EBADF', `fd ${insn.imm} is not pointing to valid bpf_map`)
  if (!env.usedMaps.includes(map)) {
    checkMapForProgram(env, map)
    if (env.usedMaps.length >= 64) env.fail('E2BIG', 'The total number of maps per program has reached the limit of 64')
    env.usedMaps.push(map)
  }
  if (insn.src === PSEUDO.map_fd || insn.src === PSEUDO.map_idx) {
    env.immediates.set(at, { kind: 'map', map })
    return
  }
  const offset = high >>> 0
  if (offset >= MAX_VAR_OFF) env.fail('EINVAL', `direct value offset of ${offset} is not allowed`)
  const limit = directValueBytes(map)
  if (limit < 0) env.fail('EINVAL', 'no direct value access support for this map type')
  if (offset >= limit)
    env.fail('EINVAL', `invalid access to map value pointer, value_size=${map.valueSize} off=${offset}`)
  env.immediates.set(at, { kind: 'map_value', map, offset })
}

/** Bytes that may be addressed directly: the value of a one-element array, an arena's pages. */
function directValueBytes(map: MapFacts): number {
  if (map.type === MAP_TYPE.array) return map.maxEntries === 1 ? map.valueSize : 0
  if (map.type === MAP_TYPE.arena) return map.maxEntries * 4096
  return -1
}

/** `extern … __ksym`: a variable of the kernel by BTF id. */
function resolveVariable(env: Env, at: number): void {
  const insn = env.insns[at]!
  const fd = env.insns[at + 1]!.imm
  const module = fd ? env.input.btfByFdIndex?.(fd) : undefined
  const btf = fd ? module?.btf : env.facts.btf
  if (!btf) env.fail('EINVAL', 'kernel is missing BTF, make sure CONFIG_DEBUG_INFO_BTF=y is specified in Kconfig.')
  const id = insn.imm
  if (id <= 0 || id >= btf.count) env.fail('ENOENT', `ldimm64 insn specifies invalid btf_id ${id}.`)
  const variable = btf.type(id)
  if (variable.kind === 'func') {
    env.immediates.set(at, { kind: 'btf_var', btf, typeId: id, percpu: false, memSize: 0, module: module?.name })
    return
  }
  if (variable.kind !== 'var') env.fail('EINVAL', `pseudo btf_id ${id} in ldimm64 isn't KIND_VAR or KIND_FUNC`)
  let percpu = false
  const section = btf.find('.data..percpu', 'datasec')
  if (section) {
    const type = btf.type(section)
    if (type.kind === 'datasec') percpu = type.vars.some((entry) => entry.type === id)
  }
  const type = skipModifiers(btf, variable.type)
  const memSize = percpu || isStruct(type) ? -1 : Math.max(0, btf.sizeOf(variable.type))
  env.immediates.set(at, {
    kind: 'btf_var',
    btf,
    typeId: percpu ? variable.type : type.id,
    percpu,
    memSize,
    module: module?.name,
  })
}
