// The argument language of strace, as values. Strings are Latin-1: one character a byte, as recorded.
// A reader that meets something it does not know keeps the text (`raw`) instead of guessing.

export type Value =
  | { readonly kind: 'null' }
  | { readonly kind: 'number'; readonly value: bigint; readonly comment?: string }
  /** `3</etc/hosts>`, `AT_FDCWD</srv>` (fd -100); `name` is what -y or -yy wrote between the angle brackets. */
  | { readonly kind: 'fd'; readonly fd: number; readonly name: string }
  /** `truncated`: strace cut it (-s), so that only its beginning is known. */
  | { readonly kind: 'string'; readonly text: string; readonly truncated: boolean }
  /** `O_RDWR|O_CLOEXEC`, `S_IFREG|0644`, a single constant, an unknown word. */
  | { readonly kind: 'flags'; readonly terms: readonly (string | bigint)[] }
  | { readonly kind: 'struct'; readonly fields: ReadonlyMap<string, Value>; readonly partial: boolean }
  /** `[a, b]`, and sets `[CHLD PIPE]`, `~[RTMIN]` (complement). */
  | {
      readonly kind: 'array'
      readonly items: readonly Value[]
      readonly partial: boolean
      readonly complement: boolean
    }
  /** `htons(80)`, `inet_addr("127.0.0.1")`, `makedev(0x1, 0x3)` */
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Value[] }
  /** `before => after`: what the kernel changed. */
  | { readonly kind: 'change'; readonly before: Value; readonly after: Value }
  /** `name=value` among arguments (clone). */
  | { readonly kind: 'named'; readonly name: string; readonly value: Value }
  | { readonly kind: 'raw'; readonly text: string }

/** What is wrong at a column of the text; the caller knows the line. */
export class ValueError extends Error {
  override name = 'ValueError'
  readonly column: number
  constructor(message: string, column: number) {
    super(message)
    this.column = column
  }
}

const AT_FDCWD = -100
const SIMPLE_ESCAPES: Record<string, number> = { n: 10, t: 9, r: 13, v: 11, f: 12, '"': 34, '\\': 92 }
const isWord = (c: string): boolean => /[A-Za-z0-9_]/.test(c)

/** Reads values off one line. `at` moves behind what was read. */
export class ValueReader {
  readonly text: string
  at: number

  constructor(text: string, at = 0) {
    this.text = text
    this.at = at
  }

  fail(message: string): never {
    throw new ValueError(message, this.at + 1)
  }

  skipSpaces(): void {
    while (this.text[this.at] === ' ') this.at++
  }

  startsWith(word: string): boolean {
    return this.text.startsWith(word, this.at)
  }

  take(word: string): boolean {
    if (!this.startsWith(word)) return false
    this.at += word.length
    return true
  }

  /** Arguments up to and including `)`. */
  arguments(): Value[] {
    const values: Value[] = []
    this.skipSpaces()
    if (this.take(')')) return values
    for (;;) {
      values.push(this.argument())
      this.skipSpaces()
      if (this.take(')')) return values
      if (!this.take(',')) this.fail(`expected ',' or ')'`)
      this.skipSpaces()
    }
  }

  private argument(): Value {
    const named = /^([a-z_]+)=/.exec(this.text.slice(this.at, this.at + 40))
    if (!named) return this.value()
    this.at += named[0].length
    return { kind: 'named', name: named[1]!, value: this.value() }
  }

  /** One value with what may follow it: an annotation, a comment, `=> after`. */
  value(): Value {
    const start = this.at
    let value = this.plain()
    const comment = this.comment()
    if (comment !== undefined && value.kind === 'number') value = { ...value, comment }
    if (this.text.startsWith(' => ', this.at)) {
      this.at += 4
      value = { kind: 'change', before: value, after: this.value() }
    }
    if (this.at === start) this.fail('expected a value')
    return value
  }

  private plain(): Value {
    const c = this.text[this.at]
    switch (c) {
      case undefined:
        return this.fail('the line ends within a value')
      case '"':
        return this.string()
      case '{':
        return this.struct()
      case '[':
        return this.array(false)
      case '~':
        this.at++
        return this.array(true)
      case '?':
        this.at++
        return { kind: 'raw', text: '?' }
      default:
        return this.words()
    }
  }

  private comment(): string | undefined {
    const open = this.startsWith(' /* ') ? this.at + 4 : this.startsWith('/* ') ? this.at + 3 : -1
    if (open < 0) return undefined
    const close = this.text.indexOf(' */', open)
    if (close < 0) this.fail('a comment is not closed')
    this.at = close + 3
    return this.text.slice(open, close)
  }

  private string(): Value {
    let text = ''
    let i = this.at + 1
    const source = this.text
    for (;;) {
      const c = source[i]
      if (c === undefined) this.fail('a string is not closed')
      if (c === '"') break
      if (c !== '\\') {
        text += c
        i++
        continue
      }
      const next = source[i + 1] ?? ''
      const octal = /^[0-7]{1,3}/.exec(source.slice(i + 1, i + 4))
      if (octal) {
        text += String.fromCharCode(Number.parseInt(octal[0], 8) & 0xff)
        i += 1 + octal[0].length
      } else if (next === 'x') {
        text += String.fromCharCode(Number.parseInt(source.slice(i + 2, i + 4), 16))
        i += 4
      } else {
        const byte = SIMPLE_ESCAPES[next]
        if (byte === undefined) this.fail(`unknown escape '\\${next}' in a string`)
        text += String.fromCharCode(byte)
        i += 2
      }
    }
    this.at = i + 1
    return { kind: 'string', text, truncated: this.take('...') }
  }

  private struct(): Value {
    const start = this.at
    this.at++
    const fields = new Map<string, Value>()
    let partial = false
    for (;;) {
      this.skipSpaces()
      if (this.take('}')) return { kind: 'struct', fields, partial }
      if (this.take('...')) partial = true
      else {
        const name = /^[A-Za-z_][A-Za-z0-9_.[\]]*=/.exec(this.text.slice(this.at, this.at + 64))
        // `inet_pton(AF_INET6, "::1", &sin6_addr)` names its field in the last argument.
        const call = name
          ? undefined
          : /^inet_pton\(([A-Z0-9_]+), ("[^"]*"), &([a-z0-9_]+)\)/.exec(this.text.slice(this.at, this.at + 120))
        if (call) {
          this.at += call[0].length
          fields.set(call[3]!, {
            kind: 'call',
            name: 'inet_pton',
            args: [{ kind: 'string', text: call[2]!.slice(1, -1), truncated: false }],
          })
        } else if (name) {
          this.at += name[0].length
          fields.set(name[0].slice(0, -1), this.value())
        } else return this.balanced(start)
      }
      this.skipSpaces()
      if (!this.take(',') && this.text[this.at] !== '}') return this.balanced(start)
    }
  }

  private array(complement: boolean): Value {
    const start = this.at
    if (!this.take('[')) this.fail(`expected '['`)
    const items: Value[] = []
    let partial = false
    for (;;) {
      this.skipSpaces()
      if (this.take(']')) return { kind: 'array', items, partial, complement }
      if (this.take('...')) partial = true
      else items.push(this.value())
      if (this.text[this.at] !== ',' && this.text[this.at] !== ' ' && this.text[this.at] !== ']')
        return this.balanced(start)
      this.take(',')
    }
  }

  /** Text from `start` to the bracket that closes it, kept as it is. */
  private balanced(start: number): Value {
    let depth = 0
    for (let i = start; i < this.text.length; i++) {
      const c = this.text[i]!
      if (c === '"') {
        this.at = i
        this.string()
        i = this.at - 1
      } else if ('[{('.includes(c)) depth++
      else if (']})'.includes(c) && --depth === 0) {
        this.at = i + 1
        return { kind: 'raw', text: this.text.slice(start, this.at) }
      }
    }
    return this.fail('a bracket is not closed')
  }

  /** Numbers, constants, `a|b`, `8192*1024`, descriptors with their annotation, calls. */
  private words(): Value {
    const terms: (string | bigint)[] = []
    for (;;) {
      const word = this.word()
      if (this.text[this.at] === '<' && terms.length === 0 && /^(-?\d+|AT_FDCWD)$/.test(word)) {
        return { kind: 'fd', fd: word === 'AT_FDCWD' ? AT_FDCWD : Number(word), name: this.annotation() }
      }
      if (this.text[this.at] === '(' && terms.length === 0 && /^[a-z]/i.test(word)) {
        this.at++
        return { kind: 'call', name: word, args: this.arguments() }
      }
      let term: string | bigint = /^-?\d/.test(word) ? number(word) : word
      while (typeof term === 'bigint' && (this.text[this.at] === '*' || this.startsWith('<<'))) {
        const shift = this.text[this.at] === '<'
        this.at += shift ? 2 : 1
        const factor = number(this.word())
        term = shift ? term << factor : term * factor
      }
      terms.push(term)
      // `BTRFS_IOC_CLONE or FICLONE`: two names of one number.
      if (this.take(' or ')) {
        this.word()
      }
      if (!this.take('|')) break
    }
    const only = terms.length === 1 ? terms[0]! : undefined
    if (only === 'NULL') return { kind: 'null' }
    return typeof only === 'bigint' ? { kind: 'number', value: only } : { kind: 'flags', terms }
  }

  private word(): string {
    const start = this.at
    if (this.text[this.at] === '-') this.at++
    while (this.at < this.text.length && isWord(this.text[this.at]!)) this.at++
    if (this.at === start) this.fail(`unexpected '${this.text[this.at] ?? 'end of line'}'`)
    return this.text.slice(start, this.at)
  }

  /** `<…>` behind a descriptor. It may hold `<char 1:3>` and `->`; other angle brackets are escaped by strace. */
  annotation(): string {
    const start = this.at + 1
    let depth = 0
    for (let i = this.at; i < this.text.length; i++) {
      const c = this.text[i]
      if (c === '<') depth++
      else if (c === '>' && this.text[i - 1] !== '-' && --depth === 0) {
        this.at = i + 1
        return this.text.slice(start, i)
      }
    }
    return this.fail('a descriptor’s annotation is not closed')
  }
}

function number(word: string): bigint {
  const negative = word.startsWith('-')
  const digits = negative ? word.slice(1) : word
  if (!/^(0x[0-9a-fA-F]+|\d+)$/.test(digits)) return 0n
  const value = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits)
  return negative ? -value : value
}
