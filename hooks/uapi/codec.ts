// Structs of the user API as data: fields in order, laid out as C does on x86-64, decoded to a record and encoded from one.
// 64-bit fields are bigint, smaller ones number, char arrays strings, pointers UserBytes. Every struct here is exact.

/** User memory of a task behind a pointer that it passed. */
export interface UserMemory {
  /** A copy of `length` bytes from `offset` on; undefined where they are not mapped (-EFAULT). */
  read(offset: number, length: number): Uint8Array | undefined
  /** False where the range is not mapped writable. */
  write(offset: number, bytes: Uint8Array): boolean
}

/** What a pointer in an attribute refers to: the bytes of a caller in TypeScript, or a task's user memory. NULL is undefined. */
export type UserBytes = Uint8Array | UserMemory

/** copy_from_user(): a copy, or undefined for -EFAULT. */
export function copyFromUser(from: UserBytes | undefined, offset: number, length: number): Uint8Array | undefined {
  if (length === 0) return new Uint8Array()
  if (!from) return undefined
  if (!(from instanceof Uint8Array)) return from.read(offset, length)
  return offset + length <= from.length ? from.slice(offset, offset + length) : undefined
}

/** copy_to_user(): false for -EFAULT. */
export function copyToUser(to: UserBytes | undefined, offset: number, bytes: Uint8Array): boolean {
  if (bytes.length === 0) return true
  if (!to) return false
  if (!(to instanceof Uint8Array)) return to.write(offset, bytes)
  if (offset + bytes.length > to.length) return false
  to.set(bytes, offset)
  return true
}

/** strncpy_from_user() of at most `max` bytes, as Latin-1; undefined for -EFAULT. The end of a caller's bytes ends the string. */
export function stringFromUser(from: UserBytes | undefined, max: number): string | undefined {
  let text = ''
  for (let i = 0; i < max; i++) {
    const byte = from instanceof Uint8Array && i >= from.length ? 0 : copyFromUser(from, i, 1)?.[0]
    if (byte === undefined) return undefined
    if (byte === 0) break
    text += String.fromCharCode(byte)
  }
  return text
}

/** Latin-1 text with its NUL, as a pointer argument. */
export const cstring = (text: string): Uint8Array => Uint8Array.from(text + '\0', (char) => char.charCodeAt(0))

/** Resolves a pointer value read from a struct in user memory. */
export type ToPointer = (address: bigint) => UserBytes | undefined

export interface FieldType<T> {
  readonly size: number
  readonly align: number
  readonly zero: T
  get(view: DataView, at: number, pointer: ToPointer): T
  /** Pointers are not written: encoding leaves their 8 bytes alone. */
  set(view: DataView, at: number, value: T): void
  /** Fixed byte offset of a union's member; undefined follows the field before. */
  readonly at?: number
}

export const u16: FieldType<number> = {
  size: 2,
  align: 2,
  zero: 0,
  get: (view, at) => view.getUint16(at, true),
  set: (view, at, value) => view.setUint16(at, value, true),
}
export const u32: FieldType<number> = {
  size: 4,
  align: 4,
  zero: 0,
  get: (view, at) => view.getUint32(at, true),
  set: (view, at, value) => view.setUint32(at, value, true),
}
export const s32: FieldType<number> = {
  size: 4,
  align: 4,
  zero: 0,
  get: (view, at) => view.getInt32(at, true),
  set: (view, at, value) => view.setInt32(at, value, true),
}
export const u64: FieldType<bigint> = {
  size: 8,
  align: 8,
  zero: 0n,
  get: (view, at) => view.getBigUint64(at, true),
  set: (view, at, value) => view.setBigUint64(at, value, true),
}
export const pointer: FieldType<UserBytes | undefined> = {
  size: 8,
  align: 8,
  zero: undefined,
  get: (view, at, toPointer) => toPointer(view.getBigUint64(at, true)),
  set: () => {},
}

/** char[size]: text up to the NUL. */
export const char = (size: number): FieldType<string> => ({
  size,
  align: 1,
  zero: '',
  get(view, at) {
    let text = ''
    for (let i = at; i < at + size && view.getUint8(i) !== 0; i++) text += String.fromCharCode(view.getUint8(i))
    return text
  },
  set(view, at, value) {
    for (let i = 0; i < size; i++) view.setUint8(at + i, i < value.length ? value.charCodeAt(i) : 0)
  },
})

/** u8[size]. */
export const bytes = (size: number): FieldType<Uint8Array> => ({
  size,
  align: 1,
  zero: new Uint8Array(size),
  get: (view, at) => new Uint8Array(view.buffer, view.byteOffset + at, size).slice(),
  set: (view, at, value) => new Uint8Array(view.buffer, view.byteOffset + at, size).set(value.subarray(0, size)),
})

/** A field at a fixed offset: a member of a union. */
export const at = <T>(offset: number, type: FieldType<T>): FieldType<T> => ({ ...type, at: offset })

/** An embedded struct. */
export const nested = <T extends object>(struct: Struct<T>): FieldType<T> => ({
  size: struct.size,
  align: 8,
  zero: struct.zero(),
  get: (view, start, toPointer) => struct.decode(view, start, toPointer),
  set: (view, start, value) => struct.encodeInto(view, start, value),
})

type Values<F> = { [K in keyof F]: F[K] extends FieldType<infer T> ? T : never }

const noPointer: ToPointer = () => undefined

export class Struct<T extends object> {
  readonly size: number
  readonly offsets: Readonly<Record<keyof T, number>>
  readonly #fields: [keyof T, FieldType<T[keyof T]>, number][] = []

  constructor(fields: { [K in keyof T]: FieldType<T[K]> }) {
    let end = 0
    let size = 0
    const offsets = {} as Record<keyof T, number>
    for (const name of Object.keys(fields) as (keyof T)[]) {
      const type = fields[name]
      const start = type.at ?? Math.ceil(end / type.align) * type.align
      end = start + type.size
      size = Math.max(size, end)
      offsets[name] = start
      this.#fields.push([name, type, start])
    }
    this.size = size
    this.offsets = offsets
  }

  zero(): T {
    const value = {} as T
    for (const [name, type] of this.#fields) value[name] = type.zero
    return value
  }

  /** Bytes that are missing at the end of `view` read as zero. */
  decode(view: DataView, start = 0, toPointer: ToPointer = noPointer): T {
    const value = {} as T
    for (const [name, type, offset] of this.#fields) {
      const whole = start + offset + type.size <= view.byteLength
      value[name] = whole ? type.get(view, start + offset, toPointer) : type.zero
    }
    return value
  }

  decodeBytes(from: Uint8Array): T {
    return this.decode(new DataView(from.buffer, from.byteOffset, from.byteLength))
  }

  encodeInto(view: DataView, start: number, value: Partial<T>): void {
    for (const [name, type, offset] of this.#fields) {
      const field = value[name]
      if (field !== undefined) type.set(view, start + offset, field as T[keyof T])
    }
  }

  /** The struct padded to a multiple of 8, absent fields zero. */
  encode(value: Partial<T>): Uint8Array {
    const out = new Uint8Array(Math.ceil(this.size / 8) * 8)
    this.encodeInto(new DataView(out.buffer), 0, value)
    return out
  }
}

// biome-ignore lint/suspicious/noExplicitAny: inference over fields of any type
export function struct<F extends Record<string, FieldType<any>>>(fields: F): Struct<Values<F>> {
  return new Struct<Values<F>>(fields as { [K in keyof Values<F>]: FieldType<Values<F>[K]> })
}
