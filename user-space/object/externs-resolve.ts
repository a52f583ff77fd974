// What a kernel gives the names that an object leaves open: configuration values, symbol addresses, BTF ids of variables and kfuncs.
// libbpf's rules: a weak name may be missing (0), a strong one may not.

import type { Btf } from '../../base/btf/btf.ts'
import type { BtfOf } from '../../base/btf/types.ts'
import type { CoreTarget } from './core/candidates.ts'
import { typesCompatible } from './core/compat.ts'
import { essentialName } from './core/names.ts'
import type { ExternSpec, ObjectSpec } from './spec.ts'

/** What the loader asks the kernel for; a file of BTF alone can answer the first part. */
export interface LinkTarget extends CoreTarget {
  /** The version, as LINUX_KERNEL_VERSION has it: 6.12.117 */
  readonly release: string
  /** Address from /proc/kallsyms; undefined for a symbol that is not there. */
  symbolAddress(name: string): bigint | undefined
  /** The text of /boot/config or /proc/config.gz, `CONFIG_HZ=250` a line; undefined where there is none. */
  readonly config?: string | undefined
}

export type ResolvedExtern =
  | { readonly kind: 'kconfig'; readonly offset: number }
  | { readonly kind: 'address'; readonly address: bigint }
  /** `module` is the name of the module whose BTF has the id; undefined: vmlinux. */
  | { readonly kind: 'btf'; readonly id: number; readonly module: string | undefined }
  | { readonly kind: 'missing' }

/** An object that libbpf refuses to load, with its words. */
export class LoadError extends Error {
  override name = 'LoadError'
}

/** Every extern of the object; configuration values are written into `kconfig`. Throws LoadError. */
export function resolveExterns(
  spec: ObjectSpec,
  target: LinkTarget,
  kconfig: Uint8Array | undefined,
): ReadonlyMap<string, ResolvedExtern> {
  const config = parseConfig(target.config)
  const found = new Map<string, ResolvedExtern>()
  for (const extern of spec.externs) {
    found.set(
      extern.name,
      extern.kind === 'kconfig'
        ? resolveKconfig(extern, target.release, config, kconfig!)
        : extern.type === 0
          ? resolveAddress(extern, target)
          : extern.function
            ? resolveFunction(extern, spec.btf!, target)
            : resolveVariable(extern, spec.btf!, target),
    )
  }
  return found
}

type Kconfig = Extract<ExternSpec, { kind: 'kconfig' }>
type Ksym = Extract<ExternSpec, { kind: 'ksym' }>

function parseConfig(text: string | undefined): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const line of text?.split('\n') ?? []) {
    const equals = line.indexOf('=')
    if (line.startsWith('CONFIG_') && equals > 0) found.set(line.slice(0, equals), line.slice(equals + 1).trim())
  }
  return found
}

function resolveKconfig(
  extern: Kconfig,
  release: string,
  config: ReadonlyMap<string, string>,
  bytes: Uint8Array,
): ResolvedExtern {
  const place = bytes.subarray(extern.offset, extern.offset + extern.sizeBytes)
  const value = extern.name.startsWith('CONFIG_') ? config.get(extern.name) : virtualValue(extern, release)
  if (value !== undefined) writeKconfig(extern, place, value)
  else if (!extern.weak) throw new LoadError(`extern '${extern.name}' (strong): not resolved`)
  return { kind: 'kconfig', offset: extern.offset }
}

/** The LINUX_ values that libbpf makes up itself. */
function virtualValue(extern: Kconfig, release: string): string | undefined {
  switch (extern.name) {
    case 'LINUX_KERNEL_VERSION': {
      const [major = 0, minor = 0, patch = 0] = (/^(\d+)\.(\d+)(?:\.(\d+))?/.exec(release) ?? []).slice(1).map(Number)
      return String((major << 16) + (minor << 8) + Math.min(patch || 0, 255))
    }
    case 'LINUX_HAS_BPF_COOKIE':
    case 'LINUX_HAS_SYSCALL_WRAPPER':
      return '1'
    default:
      if (extern.name.startsWith('LINUX_') && extern.weak) return '0'
      throw new LoadError(`extern (kcfg) '${extern.name}': unrecognized virtual extern`)
  }
}

function writeKconfig(extern: Kconfig, place: Uint8Array, value: string): void {
  const bad = (what: string): LoadError => new LoadError(`extern (kcfg) '${extern.name}': ${what}`)
  if (value === 'y' || value === 'n' || value === 'm') {
    if (extern.type === 'char') place[0] = value.charCodeAt(0)
    else if (extern.type === 'tristate') place[0] = value === 'y' ? 1 : value === 'm' ? 2 : 0
    else if (extern.type === 'bool' && value !== 'm') place[0] = value === 'y' ? 1 : 0
    else throw bad(`value '${value}' implies bool, tristate, or char type`)
    return
  }
  if (value.startsWith('"')) {
    if (extern.type !== 'string') throw bad(`value '${value}' implies char array type`)
    const bytes = new TextEncoder().encode(value.slice(1, -1)).subarray(0, place.length - 1)
    place.fill(0)
    place.set(bytes)
    return
  }
  if (!/^-?(\d+|0x[0-9a-fA-F]+)$/.test(value)) throw bad(`value '${value}' is not a number`)
  const number = value.startsWith('-') ? -BigInt(value.slice(1)) : BigInt(value)
  const boolean = extern.type === 'bool'
  if (extern.type !== 'int' && extern.type !== 'char' && !(boolean && (number === 0n || number === 1n))) {
    throw bad(`value '${number}' implies integer, char, or boolean type`)
  }
  const bits = BigInt(place.length * 8)
  const [low, high] = extern.signed ? [-(1n << (bits - 1n)), 1n << (bits - 1n)] : [0n, 1n << bits]
  if (number < low || number >= high) throw bad(`value '${number}' doesn't fit in ${place.length} bytes`)
  for (let i = 0; i < place.length; i++) place[i] = Number((number >> BigInt(8 * i)) & 0xffn)
}

function resolveAddress(extern: Ksym, target: LinkTarget): ResolvedExtern {
  const address = target.symbolAddress(extern.name)
  if (address !== undefined) return { kind: 'address', address }
  if (!extern.weak) throw new LoadError(`extern '${extern.name}' (strong): not resolved`)
  return { kind: 'missing' }
}

interface Found {
  readonly btf: Btf
  readonly id: number
  readonly module: string | undefined
}

function findSymbol(name: string, kind: 'var' | 'func', target: LinkTarget): Found | undefined {
  const id = target.btf.find(name, kind)
  if (id !== 0) return { btf: target.btf, id, module: undefined }
  for (const { name: module, btf } of target.modules) {
    const own = btf.findAll(name).find((each) => each >= btf.first && btf.kind(each) === kind)
    if (own !== undefined) return { btf, id: own, module }
  }
  return undefined
}

function resolveVariable(extern: Ksym, local: Btf, target: LinkTarget): ResolvedExtern {
  const found = findSymbol(extern.name, 'var', target)
  if (!found) {
    if (extern.weak) return { kind: 'missing' }
    throw new LoadError(`extern (var ksym) '${extern.name}': not found in kernel BTF`)
  }
  const theirs = found.btf.resolve((found.btf.type(found.id) as BtfOf<'var'>).type)
  const ours = local.type(extern.type)
  if (!typesCompatible({ btf: local, id: ours.id }, { btf: found.btf, id: theirs.id })) {
    throw new LoadError(
      `extern (var ksym) '${extern.name}': incompatible types, expected [${ours.id}] ${ours.kind} ${ours.name}, ` +
        `but kernel has [${theirs.id}] ${theirs.kind} ${theirs.name}`,
    )
  }
  return { kind: 'btf', id: found.id, module: found.module }
}

function resolveFunction(extern: Ksym, local: Btf, target: LinkTarget): ResolvedExtern {
  const found = findSymbol(essentialName(extern.name), 'func', target)
  if (!found) {
    if (extern.weak) return { kind: 'missing' }
    throw new LoadError(`extern (func ksym) '${extern.name}': not found in kernel or module BTFs`)
  }
  const prototype = (found.btf.type(found.id) as BtfOf<'func'>).type
  if (!typesCompatible({ btf: local, id: extern.type }, { btf: found.btf, id: prototype })) {
    if (extern.weak) return { kind: 'missing' }
    throw new LoadError(
      `extern (func ksym) '${extern.name}': func_proto [${extern.type}] incompatible with ${found.module ?? 'vmlinux'} [${prototype}]`,
    )
  }
  return { kind: 'btf', id: found.id, module: found.module }
}
