// Recorded arguments become what the program had passed: six 64-bit registers, and the strings, buffers and structs that pointers
// among them point to, laid into the task's user memory. Output buffers get room. What strace shows only after the call (what the
// kernel wrote) is not put there: the call is to write it.

import { constant, signalNumber } from './constants.ts'
import type { RecordedCall } from './record.ts'
import type { Value } from './value.ts'

/** Room in the user memory of the calling task. It stays valid until the task's next call (argv and envp: until exec copied them). */
export interface UserArena {
  /** Address of `size` bytes beginning with `bytes`; the rest is zero. */
  place(bytes: Uint8Array, size?: number): bigint
}

export interface EncodedCall {
  /** Always six. */
  readonly args: readonly bigint[]
  /** Constants that have no number here: a zero was passed for them. */
  readonly unknown: readonly string[]
}

/**
 * How an argument is passed where its value alone does not say:
 *   out     a buffer that the kernel fills: `bytes` of it, or as many as the argument at `sizedBy` says
 *   data    bytes that the kernel reads: the recorded string, filled up to the size that the argument at `sizedBy` says
 *   others  structs by name; `outStruct` is written by the kernel only
 */
type Passing =
  | { readonly kind: 'out'; readonly bytes: number; readonly sizedBy?: number }
  | { readonly kind: 'data'; readonly sizedBy: number }
  | {
      readonly kind:
        | 'strings'
        | 'sockaddr'
        | 'sigset'
        | 'sigaction'
        | 'timespec'
        | 'timeval'
        | 'itimerval'
        | 'rlimit'
        | 'stack'
    }
  | { readonly kind: 'pollfds' | 'epoll_event' | 'ints' | 'msghdr' }
  | { readonly kind: 'iovec'; readonly out: boolean }

const out = (bytes: number, sizedBy?: number): Passing =>
  sizedBy === undefined ? { kind: 'out', bytes } : { kind: 'out', bytes, sizedBy }
const data = (sizedBy: number): Passing => ({ kind: 'data', sizedBy })
const as = <K extends Passing['kind']>(kind: K): Passing => ({ kind }) as Passing

/** By call and argument position. Calls and positions that are not listed pass numbers, and strings with their NUL. */
const PASSING: Readonly<Record<string, Readonly<Record<number, Passing>>>> = {
  read: { 1: out(0, 2) },
  pread64: { 1: out(0, 2) },
  write: { 1: data(2) },
  pwrite64: { 1: data(2) },
  readv: { 1: { kind: 'iovec', out: true } },
  preadv: { 1: { kind: 'iovec', out: true } },
  writev: { 1: { kind: 'iovec', out: false } },
  pwritev: { 1: { kind: 'iovec', out: false } },
  getdents64: { 1: out(0, 2) },
  getcwd: { 0: out(0, 1) },
  readlink: { 1: out(0, 2) },
  readlinkat: { 2: out(0, 3) },
  getrandom: { 0: out(0, 1) },
  stat: { 1: out(144) },
  lstat: { 1: out(144) },
  fstat: { 1: out(144) },
  newfstatat: { 2: out(144) },
  statx: { 4: out(256) },
  statfs: { 1: out(120) },
  fstatfs: { 1: out(120) },
  uname: { 0: out(390) },
  sysinfo: { 0: out(112) },
  getrusage: { 1: out(144) },
  wait4: { 1: out(4), 3: out(144) },
  pipe: { 0: out(8) },
  pipe2: { 0: out(8) },
  socketpair: { 3: out(8) },
  execve: { 1: as('strings'), 2: as('strings') },
  rt_sigaction: { 1: as('sigaction'), 2: out(32) },
  rt_sigprocmask: { 1: as('sigset'), 2: out(8) },
  rt_sigsuspend: { 0: as('sigset') },
  rt_sigpending: { 0: out(8) },
  sigaltstack: { 0: as('stack'), 1: out(24) },
  nanosleep: { 0: as('timespec'), 1: out(16) },
  clock_nanosleep: { 2: as('timespec'), 3: out(16) },
  clock_gettime: { 1: out(16) },
  clock_getres: { 1: out(16) },
  gettimeofday: { 0: out(16) },
  setitimer: { 1: as('itimerval'), 2: out(32) },
  getitimer: { 1: out(32) },
  prlimit64: { 2: as('rlimit'), 3: out(16) },
  getrlimit: { 1: out(16) },
  setrlimit: { 1: as('rlimit') },
  sched_getaffinity: { 2: out(0, 1) },
  bind: { 1: as('sockaddr') },
  connect: { 1: as('sockaddr') },
  accept: { 1: out(128), 2: as('ints') },
  accept4: { 1: out(128), 2: as('ints') },
  getsockname: { 1: out(128), 2: as('ints') },
  getpeername: { 1: out(128), 2: as('ints') },
  setsockopt: { 3: as('ints') },
  getsockopt: { 3: out(64), 4: as('ints') },
  sendto: { 1: data(2), 4: as('sockaddr') },
  recvfrom: { 1: out(0, 2), 4: out(128), 5: as('ints') },
  sendmsg: { 1: as('msghdr') },
  recvmsg: { 1: as('msghdr') },
  poll: { 0: as('pollfds') },
  ppoll: { 0: as('pollfds'), 2: as('timespec'), 3: as('sigset') },
  epoll_ctl: { 3: as('epoll_event') },
  epoll_wait: { 1: out(12 * 1024) },
  epoll_pwait: { 1: out(12 * 1024), 4: as('sigset') },
  ioctl: { 2: as('ints') },
  futex: { 3: as('timespec') },
  getgroups: { 1: out(0x10000) },
  setgroups: { 1: as('ints') },
  copy_file_range: { 1: as('ints'), 3: as('ints') },
  sendfile: { 2: as('ints') },
}

/** Where named arguments (clone) go. */
const NAMED: Readonly<Record<string, readonly string[]>> = {
  clone: ['flags', 'child_stack', 'parent_tid', 'child_tidptr', 'tls'],
}

/** Registers and memory of a recorded call. `rng` is not needed: what was cut (-s) is filled with zero bytes. */
export function encodeCall(call: RecordedCall, arena: UserArena): EncodedCall {
  const encoder = new Encoder(arena)
  const named = NAMED[call.name]
  const order = named
    ? named.map((name) => call.args.find((arg) => arg.kind === 'named' && aliases(arg.name) === name))
    : call.args
  const passing = PASSING[call.name] ?? {}
  const args: bigint[] = []
  for (let i = 0; i < 6; i++) {
    const value = order[i]
    const bare = value?.kind === 'named' ? value.value : value
    args.push(bare === undefined ? 0n : BigInt.asUintN(64, encoder.argument(bare, passing[i], order)))
  }
  return { args, unknown: encoder.unknown }
}

const aliases = (name: string): string =>
  name === 'child_tid' ? 'child_tidptr' : name === 'parent_tidptr' ? 'parent_tid' : name

const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0))
const NOTHING = new Uint8Array()
/** More than any recorded call moves at once: an output buffer of `-1` bytes gets this much room. */
const MOST_BYTES = 1 << 20

class Encoder {
  readonly unknown: string[] = []
  readonly #arena: UserArena

  constructor(arena: UserArena) {
    this.#arena = arena
  }

  argument(value: Value, passing: Passing | undefined, all: readonly (Value | undefined)[]): bigint {
    if (value.kind === 'null') return 0n
    if (!passing) return value.kind === 'string' ? this.#cstring(value.text) : this.number(value)
    switch (passing.kind) {
      case 'out': {
        if (passing.sizedBy === undefined) return this.#room(passing.bytes)
        const size = all[passing.sizedBy]
        return this.#room(size ? Number(this.number(size)) : 0)
      }
      case 'data': {
        const size = all[passing.sizedBy]
        return value.kind === 'string'
          ? this.#place(latin1(value.text), size ? Number(this.number(size)) : 0)
          : this.number(value)
      }
      case 'strings':
        return value.kind === 'array' ? this.#strings(value.items) : this.#environment(value)
      case 'iovec':
        return value.kind === 'array' ? this.#iovec(value.items, passing.out) : this.number(value)
      case 'sockaddr':
        return value.kind === 'struct' ? this.#place(this.#sockaddr(value.fields)) : this.number(value)
      case 'sigset':
        return value.kind === 'array' ? this.#place(u64s(this.#sigset(value))) : this.number(value)
      case 'sigaction':
        return value.kind === 'struct' ? this.#sigaction(value.fields) : this.number(value)
      case 'timespec':
      case 'timeval':
        return value.kind === 'struct'
          ? this.#place(this.#pair(value, 'tv_sec', passing.kind === 'timeval' ? 'tv_usec' : 'tv_nsec'))
          : this.number(value)
      case 'itimerval':
        return value.kind === 'struct' ? this.#itimerval(value.fields) : this.number(value)
      case 'rlimit':
        return value.kind === 'struct' ? this.#place(this.#pair(value, 'rlim_cur', 'rlim_max')) : this.number(value)
      case 'stack':
        return value.kind === 'struct' ? this.#stack(value.fields) : this.number(value)
      case 'pollfds':
        return value.kind === 'array' ? this.#pollfds(value.items) : this.number(value)
      case 'epoll_event':
        return value.kind === 'struct' ? this.#epollEvent(value.fields) : this.number(value)
      case 'ints':
        return value.kind === 'array' ? this.#ints(value.items) : this.number(value)
      case 'msghdr':
        return value.kind === 'struct' ? this.#msghdr(value.fields) : this.number(value)
    }
  }

  /** The number that a value stands for; what the kernel changed counts as before the change. */
  number(value: Value): bigint {
    switch (value.kind) {
      case 'null':
        return 0n
      case 'number':
        return value.value
      case 'fd':
        return BigInt(value.fd)
      case 'flags':
        return value.terms.reduce<bigint>(
          (sum, term) => sum | (typeof term === 'bigint' ? term : this.#constant(term)),
          0n,
        )
      case 'change':
        return this.number(value.before)
      case 'named':
        return this.number(value.value)
      case 'call':
        return value.name === 'htons' && value.args[0] ? swap16(this.number(value.args[0])) : 0n
      case 'string':
        return this.#cstring(value.text)
      case 'struct':
      case 'array':
      case 'raw':
        return this.#room(256)
    }
  }

  #constant(name: string): bigint {
    const value = constant(name)
    if (value === undefined) this.unknown.push(name)
    return value ?? 0n
  }

  #place(bytes: Uint8Array, size = bytes.length): bigint {
    return this.#arena.place(bytes.length > size ? bytes.subarray(0, size) : bytes, Math.min(size, MOST_BYTES))
  }

  #room(size: number): bigint {
    return this.#arena.place(NOTHING, size < 0 || size > MOST_BYTES ? MOST_BYTES : size)
  }

  #cstring(text: string): bigint {
    return this.#place(latin1(text), text.length + 1)
  }

  #strings(items: readonly Value[]): bigint {
    return this.#place(u64s(...items.map((item) => (item.kind === 'string' ? this.#cstring(item.text) : 0n)), 0n))
  }

  /** envp is recorded as an address and a count: that many variables, empty but for their number, as none was seen. */
  #environment(value: Value): bigint {
    const count = value.kind === 'number' ? Number(/^(\d+) vars/.exec(value.comment ?? '')?.[1] ?? 0) : 0
    const variables = Array.from({ length: count }, (_, i) => this.#cstring(`UNSEEN_${i + 1}=`))
    return this.#place(u64s(...variables, 0n))
  }

  #iovec(items: readonly Value[], isOut: boolean): bigint {
    const words = items.flatMap((item) => {
      if (item.kind !== 'struct') return []
      const length = this.#field(item.fields, 'iov_len')
      const base = item.fields.get('iov_base')
      const known = base?.kind === 'string' && !isOut ? latin1(base.text) : NOTHING
      return [this.#place(known, Number(length)), length]
    })
    return this.#place(u64s(...words))
  }

  #field(fields: ReadonlyMap<string, Value>, name: string): bigint {
    const value = fields.get(name)
    return value ? this.number(value) : 0n
  }

  #sockaddr(fields: ReadonlyMap<string, Value>): Uint8Array {
    const family = this.#field(fields, 'sa_family')
    const path = fields.get('sun_path')
    const bytes = new Uint8Array(path ? 110 : family === 10n ? 28 : 16)
    const view = new DataView(bytes.buffer)
    view.setUint16(0, Number(family), true)
    if (path?.kind === 'string') bytes.set(latin1(path.text).subarray(0, 108), 2)
    const port = fields.get('sin_port') ?? fields.get('sin6_port')
    if (port) view.setUint16(2, Number(this.number(port)), true)
    const address = fields.get('sin_addr') ?? fields.get('sin6_addr')
    const text = address?.kind === 'call' && address.args[0]?.kind === 'string' ? address.args[0].text : undefined
    if (text?.includes('.') && family === 2n) bytes.set(text.split('.').map(Number), 4)
    else if (text !== undefined && family === 10n) bytes.set(inet6(text), 8)
    return bytes
  }

  #sigset(value: Value): bigint {
    if (value.kind !== 'array') return 0n
    let mask = 0n
    for (const item of value.items) {
      const name = item.kind === 'flags' ? item.terms[0] : undefined
      const number = typeof name === 'string' ? signalNumber(name) : undefined
      if (number !== undefined) mask |= 1n << BigInt(number - 1)
    }
    return value.complement ? BigInt.asUintN(64, ~mask) : mask
  }

  #sigaction(fields: ReadonlyMap<string, Value>): bigint {
    const mask = fields.get('sa_mask')
    const handler = fields.has('sa_handler') ? 'sa_handler' : 'sa_sigaction'
    return this.#place(
      u64s(
        this.#field(fields, handler),
        this.#field(fields, 'sa_flags'),
        this.#field(fields, 'sa_restorer'),
        mask ? this.#sigset(mask) : 0n,
      ),
    )
  }

  #pair(value: Value, first: string, second: string): Uint8Array {
    return value.kind === 'struct'
      ? u64s(this.#field(value.fields, first), this.#field(value.fields, second))
      : u64s(0n, 0n)
  }

  #itimerval(fields: ReadonlyMap<string, Value>): bigint {
    const part = (name: string): Uint8Array => this.#pair(fields.get(name) ?? { kind: 'null' }, 'tv_sec', 'tv_usec')
    return this.#place(Uint8Array.of(...part('it_interval'), ...part('it_value')))
  }

  #stack(fields: ReadonlyMap<string, Value>): bigint {
    return this.#place(
      u64s(this.#field(fields, 'ss_sp'), this.#field(fields, 'ss_flags'), this.#field(fields, 'ss_size')),
    )
  }

  #pollfds(items: readonly Value[]): bigint {
    const bytes = new Uint8Array(items.length * 8)
    const view = new DataView(bytes.buffer)
    items.forEach((item, i) => {
      if (item.kind !== 'struct') return
      view.setInt32(i * 8, Number(this.#field(item.fields, 'fd')), true)
      view.setInt16(i * 8 + 4, Number(this.#field(item.fields, 'events')), true)
    })
    return this.#place(bytes)
  }

  #epollEvent(fields: ReadonlyMap<string, Value>): bigint {
    const union = fields.get('data')
    const bytes = new Uint8Array(12)
    const view = new DataView(bytes.buffer)
    view.setUint32(0, Number(BigInt.asUintN(32, this.#field(fields, 'events'))), true)
    view.setBigUint64(4, union?.kind === 'struct' ? this.#field(union.fields, 'u64') : 0n, true)
    return this.#place(bytes)
  }

  #ints(items: readonly Value[]): bigint {
    const bytes = new Uint8Array(Math.max(8, items.length * 4))
    const view = new DataView(bytes.buffer)
    items.forEach((item, i) => {
      view.setInt32(i * 4, Number(BigInt.asIntN(32, this.number(item))), true)
    })
    return this.#place(bytes)
  }

  #msghdr(fields: ReadonlyMap<string, Value>): bigint {
    const name = fields.get('msg_name')
    const iov = fields.get('msg_iov')
    const items = iov?.kind === 'array' ? iov.items : []
    const address = name?.kind === 'struct' ? this.#place(this.#sockaddr(name.fields)) : 0n
    // Control data is recorded as text only: its length is kept, its bytes are zero.
    const control = this.#field(fields, 'msg_controllen')
    return this.#place(
      u64s(
        address,
        this.#field(fields, 'msg_namelen'),
        items.length > 0 ? this.#iovec(items, false) : 0n,
        BigInt(items.length),
        control > 0n ? this.#room(Number(control)) : 0n,
        control,
        this.#field(fields, 'msg_flags'),
      ),
    )
  }
}

function u64s(...words: bigint[]): Uint8Array {
  const bytes = new Uint8Array(words.length * 8)
  const view = new DataView(bytes.buffer)
  words.forEach((word, i) => {
    view.setBigUint64(i * 8, BigInt.asUintN(64, word), true)
  })
  return bytes
}

const swap16 = (value: bigint): bigint => ((value & 0xffn) << 8n) | ((value >> 8n) & 0xffn)

/** Bytes of a textual IPv6 address. */
function inet6(text: string): Uint8Array {
  const [head = '', tail] = text.split('::')
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))
  const front = groups(head)
  const back = tail === undefined ? [] : groups(tail)
  const all = [...front, ...Array<number>(Math.max(0, 8 - front.length - back.length)).fill(0), ...back]
  return Uint8Array.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}
