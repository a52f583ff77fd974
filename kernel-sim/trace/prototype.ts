// C prototypes as kernel code declares them, once, in Linux's words: `ssize_t vfs_read(struct file *file, char __user *buf, ...)`.
// From the text follow the names, the declarations that lists show, and how a JavaScript number becomes the u64 that BPF sees.

import { InternalError } from '../../base/errors.ts'
import { KERNEL_HI, type KernelMemory } from '../../base/memory.ts'

/**
 * How an argument or a result stands in a register:
 *   ptr   the offset of something in kernel memory (or an object that has one as `at`); 0 or nothing is NULL, negative an ERR_PTR
 *   s64   a signed number within 2^53, also user addresses and unsigned 64-bit values
 *   u32   32 bits, zero-extended, as compiled code leaves an int or an unsigned int in a register
 *   void  nothing (results only)
 */
export type Kind = 'ptr' | 's64' | 'u32' | 'void'

export interface Param {
  readonly name: string
  /** The whole declaration, without address space marks: `struct file *file`. */
  readonly declaration: string
  readonly kind: Kind
}

export interface Prototype {
  readonly name: string
  readonly returns: { readonly type: string; readonly kind: Kind }
  readonly params: readonly Param[]
}

/** What kernel code may pass where C has a pointer or a number. */
export type Arg = number | { readonly at: number } | undefined

const WIDE =
  /\b(long|u64|s64|__u64|size_t|ssize_t|loff_t|off_t|ktime_t|sector_t|pgoff_t|ino_t|uintptr_t|sigset_t|clock_t|time64_t|aio_context_t)\b/

function kindOf(type: string): Kind {
  if (type.includes('__user')) return 's64'
  if (type.includes('*') || type.includes('[')) return 'ptr'
  if (type === 'void') return 'void'
  return WIDE.test(type) ? 's64' : 'u32'
}

function clean(text: string): string {
  return text
    .replace(/\b__(user|rcu|percpu|iomem)\b/g, '')
    .replace(/\s+/g, ' ')
    .replace(/\* (?=[\w*])/g, '*')
    .trim()
}

/** `bool preempt, struct task_struct *prev`: a list of parameters, as TP_PROTO() has them. */
export function parseParams(text: string): Param[] {
  const trimmed = text.trim()
  if (trimmed === '' || trimmed === 'void') return []
  const parts: string[] = []
  let depth = 0
  let start = 0
  for (let i = 0; i <= trimmed.length; i++) {
    const c = trimmed[i]
    if (c === '(') depth++
    else if (c === ')') depth--
    else if ((c === ',' && depth === 0) || c === undefined) {
      parts.push(trimmed.slice(start, i))
      start = i + 1
    }
  }
  return parts.map((part) => {
    const pointer = /\(\s*\*\s*(\w+)\s*\)/.exec(part)
    const name = pointer?.[1] ?? /(\w+)\s*(\[[^\]]*\])*\s*$/.exec(part)?.[1] ?? ''
    if (name === '') throw new InternalError(`no parameter name in "${part}"`)
    return {
      name,
      declaration: clean(part),
      kind: pointer
        ? 's64'
        : kindOf(part.slice(0, part.lastIndexOf(name)) + part.slice(part.lastIndexOf(name) + name.length)),
    }
  })
}

/** The function's name in a prototype, without parsing the rest: most functions are never asked for more. */
export function nameOf(prototype: string): string {
  const match = /([\w.]+)\s*\(/.exec(prototype)
  if (!match) throw new InternalError(`not a prototype: "${prototype}"`)
  return match[1]!
}

/** `long do_sys_openat2(int dfd, const char __user *filename, struct open_how *how)` */
export function parsePrototype(text: string): Prototype {
  const match = /^(.*?)([\w.]+)\s*\((.*)\)\s*;?\s*$/s.exec(text.trim())
  if (!match) throw new InternalError(`not a prototype: "${text}"`)
  const type = match[1]!.trim()
  return { name: match[2]!, returns: { type: clean(type), kind: kindOf(type) }, params: parseParams(match[3]!) }
}

/** Store `value` as the u64 at `at`. */
export function writeArg(mem: KernelMemory, at: number, kind: Kind, value: Arg): void {
  const word = typeof value === 'number' ? value : value === undefined ? 0 : value.at
  const i = at >> 2
  if (kind === 'ptr') {
    mem.i32[i] = word
    mem.i32[i + 1] = word > 0 ? KERNEL_HI : word >> 31
  } else if (kind === 's64') {
    mem.i32[i] = word
    mem.i32[i + 1] = Math.floor(word / 0x1_0000_0000)
  } else {
    mem.i32[i] = word
    mem.i32[i + 1] = 0
  }
}
