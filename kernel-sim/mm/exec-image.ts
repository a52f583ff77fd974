// What execve leaves in a fresh address space: the program's segments, heap start, and the stack with the strings and the vector that
// a C runtime finds, in Linux's order on x86-64:
//
//   stack_top - 8   8 zero bytes
//                   file name                      (AT_EXECFN)
//   env_start       environment strings            up to env_end
//   arg_start       argument strings               up to arg_end = env_start
//                   "x86_64" (AT_PLATFORM), 16 random bytes (AT_RANDOM), padding to 16
//                   auxiliary vector, NULL, environment pointers, NULL, argument pointers, argc
//   start_stack     is where argc lies
//
// Programs have no code here: segments map the file's pages, sized from the file as a typical ELF is laid out.

import { ERRNO } from '../../base/errno.ts'
import { PAGE_SIZE } from '../../base/memory.ts'
import { MAP, mapRegion, PROT, pageAlign, pageStart } from './map.ts'
import { type Mm, STACK_GUARD_GAP, STACK_LIMIT, TASK_SIZE } from './mm.ts'
import { type MappedFile, VM } from './vma.ts'

/** Limits of execve (MAX_ARG_STRLEN, and a quarter of the stack for all strings). */
const MAX_ARG_STRLEN = 32 * PAGE_SIZE
const MAX_ARG_BYTES = STACK_LIMIT / 4

export interface ExecImage {
  /** The path as execve was given it. */
  readonly filename: string
  readonly argv: readonly string[]
  readonly envp: readonly string[]
  readonly file: MappedFile | undefined
  readonly fileBytes: number
  /** The dynamic loader, mapped too when there is one. */
  readonly interpreter?: { readonly file: MappedFile; readonly bytes: number } | undefined
  /** Where things go: random on Linux, so drawn by the caller from its own stream, or known from a recording. */
  readonly place: ExecPlace
  readonly ids: { readonly uid: number; readonly euid: number; readonly gid: number; readonly egid: number }
  /** A random u32, for AT_RANDOM. */
  random(): number
}

export interface ExecPlace {
  readonly base: number
  readonly startBrk: number
  readonly stackTop: number
  readonly mmapBase: number
  /** Data that the program, and its loader, make read-only once they are linked; where known, their segments are put around it. */
  readonly relro?: Range | undefined
  readonly loaderRelro?: Range | undefined
}

interface Range {
  readonly at: number
  readonly bytes: number
}

/** Addresses as Linux draws them for a position-independent executable. `between` gives a uniform integer in a closed range. */
export function randomPlace(between: (low: number, high: number) => number): ExecPlace {
  const base = 0x555555554000 + between(0, 0xfff_ffff) * PAGE_SIZE
  const stackTop = TASK_SIZE - between(0, 0x3f_ffff) * PAGE_SIZE
  // mmap_base: the gap is the stack limit and the most the stack's own start may move, then 28 random bits of pages.
  const gap = STACK_LIMIT + STACK_GUARD_GAP + 0x4_0000_0000
  const mmapBase = pageStart(TASK_SIZE - gap - between(0, 0xfff_ffff) * PAGE_SIZE)
  return { base, startBrk: base + 0x40_0000 + between(0, 0x1fff) * PAGE_SIZE, stackTop, mmapBase }
}

const AT = {
  null: 0,
  phdr: 3,
  phent: 4,
  phnum: 5,
  pagesz: 6,
  base: 7,
  flags: 8,
  entry: 9,
  uid: 11,
  euid: 12,
  gid: 13,
  egid: 14,
  platform: 15,
  hwcap: 16,
  clktck: 17,
  secure: 23,
  random: 25,
  execfn: 31,
} as const

/** Fill `mm`, which maps nothing yet. 0, or -E2BIG before anything was done. */
export function loadImage(mm: Mm, image: ExecImage): number {
  let bytes = 0
  for (const text of [...image.argv, ...image.envp]) {
    if (text.length >= MAX_ARG_STRLEN) return -ERRNO.E2BIG
    bytes += text.length + 1 + 8
  }
  if (bytes > MAX_ARG_BYTES) return -ERRNO.E2BIG
  mm.setPlace('mmap_base', image.place.mmapBase)
  const entry = mapProgram(mm, image)
  const loader = image.interpreter ? mapLoader(mm, image.interpreter, image.place.loaderRelro) : 0
  mapStack(mm, image.place.stackTop)
  fillStack(mm, image, entry, loader)
  return 0
}

/** Text, read-only data and data of the program; returns its entry point. */
function mapProgram(mm: Mm, image: ExecImage): number {
  const { startBrk, relro } = image.place
  const pages = Math.max(4, Math.ceil(image.fileBytes / PAGE_SIZE))
  const textPages = Math.max(1, Math.floor(pages / 2))
  const base = relro ? relro.at - (2 + textPages) * PAGE_SIZE : image.place.base
  const data = base + (2 + textPages) * PAGE_SIZE
  const dataBytes = relro ? pageAlign(relro.bytes) + PAGE_SIZE : PAGE_SIZE
  const map = (address: number, length: number, prot: number, pgoff: number): void => {
    const flags = MAP.private | MAP.fixed | (image.file ? 0 : MAP.anonymous)
    mapRegion(mm, { address, length, prot, flags, pgoff, file: image.file, ...(image.file ? {} : { pgoff: 0 }) })
  }
  map(base, PAGE_SIZE, PROT.read, 0)
  map(base + PAGE_SIZE, textPages * PAGE_SIZE, PROT.read | PROT.exec, 1)
  map(base + (1 + textPages) * PAGE_SIZE, PAGE_SIZE, PROT.read, 1 + textPages)
  map(data, dataBytes, PROT.read | PROT.write, 2 + textPages)
  mm.setPlace('start_code', base + PAGE_SIZE)
  mm.setPlace('end_code', base + (1 + textPages) * PAGE_SIZE)
  mm.setPlace('start_data', data)
  mm.setPlace('end_data', data + dataBytes)
  mm.setPlace('start_brk', startBrk)
  mm.setPlace('brk', startBrk)
  return base + PAGE_SIZE
}

function mapLoader(mm: Mm, loader: { file: MappedFile; bytes: number }, relro: Range | undefined): number {
  const length = pageAlign(loader.bytes)
  const wanted = relro ? Math.max(PAGE_SIZE, relro.at + pageAlign(relro.bytes) - length) : 0
  const request = { address: wanted, prot: PROT.read, flags: MAP.private, pgoff: 0, file: loader.file }
  const base = mapRegion(mm, { ...request, length })
  const text = Math.min(0x26000, length - PAGE_SIZE)
  if (text > 0)
    mapRegion(mm, {
      ...request,
      address: base + PAGE_SIZE,
      length: text,
      prot: PROT.read | PROT.exec,
      flags: MAP.private | MAP.fixed,
      pgoff: 1,
    })
  if (relro)
    mapRegion(mm, {
      ...request,
      address: relro.at,
      length: pageAlign(relro.bytes),
      prot: PROT.read | PROT.write,
      flags: MAP.private | MAP.fixed,
      pgoff: Math.max(0, (relro.at - base) / PAGE_SIZE),
    })
  return base
}

function mapStack(mm: Mm, top: number): void {
  const start = top - 33 * PAGE_SIZE
  const flags = VM.read | VM.write | VM.mayRead | VM.mayWrite | VM.mayExec | VM.growsDown | VM.account
  mm.areas.insert({ start, end: top, flags, pgoff: start / PAGE_SIZE, file: undefined })
  mm.account(flags, 33)
  mm.mapCount()
}

function fillStack(mm: Mm, image: ExecImage, entry: number, loader: number): void {
  const encode = (text: string): Uint8Array => Uint8Array.from(text + '\0', (c) => c.charCodeAt(0))
  let at = image.place.stackTop - 8
  const push = (bytes: Uint8Array): number => {
    at -= bytes.length
    mm.write(at, bytes, 0, bytes.length)
    return at
  }
  const execfn = push(encode(image.filename))
  const envEnd = at
  const envp = image.envp.toReversed().map((text) => push(encode(text)))
  const envStart = at
  const argv = image.argv.toReversed().map((text) => push(encode(text)))
  mm.setPlace('arg_start', at)
  mm.setPlace('arg_end', envStart)
  mm.setPlace('env_start', envStart)
  mm.setPlace('env_end', envEnd)
  const platform = push(encode('x86_64'))
  const seed = new Uint8Array(Int32Array.from({ length: 4 }, () => image.random() | 0).buffer)
  const random = push(seed)
  // biome-ignore format: a table reads better dense
  const aux = [
    AT.hwcap, 0x178bfbff, AT.pagesz, PAGE_SIZE, AT.clktck, 100, AT.phdr, mm.place('start_code') - PAGE_SIZE + 64, AT.phent, 56, AT.phnum, 13,
    AT.base, loader, AT.flags, 0, AT.entry, entry, AT.uid, image.ids.uid, AT.euid, image.ids.euid, AT.gid, image.ids.gid,
    AT.egid, image.ids.egid, AT.secure, 0, AT.random, random, AT.execfn, execfn, AT.platform, platform, AT.null, 0,
  ]
  const words = [argv.length, ...argv.reverse(), 0, ...envp.reverse(), 0, ...aux]
  at = at - (at % 16) - words.length * 8
  at -= at % 16
  const vector = new Uint8Array(words.length * 8)
  const view = new DataView(vector.buffer)
  words.forEach((word, i) => {
    view.setUint32(i * 8, word % 0x1_0000_0000, true)
    view.setUint32(i * 8 + 4, Math.floor(word / 0x1_0000_0000), true)
  })
  mm.write(at, vector, 0, vector.length)
  mm.setPlace('start_stack', at)
  const { mem } = mm.context.frames
  const saved = mm.at + mm.context.layout.mm.saved_auxv
  mem.u8.set(vector.subarray(vector.length - aux.length * 8), saved)
}
