// All templates of isa/syntax.ts by shape, and the matching of a statement against them.

import { InternalError } from '../../base/errors.ts'
import { FORMS, type Form } from '../isa/forms.ts'
import { linuxSyntax, otherSyntax } from '../isa/syntax.ts'
import { shapeOf, type Token, tokenize } from './lexer.ts'

interface Pattern {
  readonly form: Form
  readonly tokens: readonly Token[]
}

/** A statement understood: its form, and what its fields hold. A symbol stands where a word was given for a number. */
export interface Match {
  readonly form: Form
  readonly fields: ReadonlyMap<string, bigint | string>
}

export interface Patterns {
  /** `code`: the opcode that the instruction must have, where the text says it. */
  match(tokens: readonly Token[], code?: number): Match | undefined
}

/** Indexes the templates, which takes a few milliseconds. */
function compilePatterns(): Patterns {
  const keywords = new Set<string>()
  const byShape = new Map<string, Pattern[]>()
  const isKeyword = (word: string): boolean => keywords.has(word)

  for (const form of FORMS) {
    if (form.kind === 'call') continue
    for (const template of [linuxSyntax(form), ...otherSyntax(form)]) {
      const tokens = tokenize(template)
      if (typeof tokens === 'string') throw new InternalError(`template ${template}`)
      for (const token of tokens) if (token.kind === 'word') keywords.add(token.text)
      const shape = shapeOf(tokens, () => true)
      const patterns = byShape.get(shape)
      if (patterns) patterns.push({ form, tokens })
      else byShape.set(shape, [{ form, tokens }])
    }
  }

  const lookUp = (tokens: readonly Token[], shape: string, code: number | undefined): Match | undefined => {
    for (const pattern of byShape.get(shape) ?? []) {
      if (code !== undefined && pattern.form.layout.code !== code) continue
      const fields = matchTokens(pattern.tokens, tokens)
      // LLVM prints moves in hexadecimal, Linux wide loads: without an opcode, the number decides. It means the same value either way.
      const wide = fields?.get('wide')
      if (typeof wide === 'bigint' && wide <= 0x7fffffffn && code === undefined) continue
      if (fields) return { form: pattern.form, fields }
    }
    return undefined
  }

  return {
    match(tokens, code) {
      const exact = shapeOf(tokens, isKeyword)
      const plain = exact.replaceAll('$', '#')
      const found = lookUp(tokens, exact, code) ?? lookUp(tokens, plain, code)
      if (found) return found
      // A symbol may be called like a keyword: `goto exit`, `r2 = add ll`.
      for (let i = tokens.length - 1; i > 0; i--) {
        if (tokens[i]!.kind !== 'word') continue
        const named = lookUp(tokens, plain.split(' ').with(i, '#').join(' '), code)
        if (named) return named
      }
      return undefined
    },
  }
}

/** The fields that `pattern` has where the statement has values; undefined when literals differ or a field would hold two values. */
function matchTokens(pattern: readonly Token[], tokens: readonly Token[]): Map<string, bigint | string> | undefined {
  const fields = new Map<string, bigint | string>()
  for (let i = 0; i < pattern.length; i++) {
    const want = pattern[i]!
    const token = tokens[i]!
    if (want.kind === 'field') {
      const value =
        token.kind === 'register' ? BigInt(token.number) : token.kind === 'number' ? token.value : wordOf(token)
      if (value === undefined || (fields.has(want.name) && fields.get(want.name) !== value)) return undefined
      fields.set(want.name, value)
    } else if (want.kind === 'register') {
      if (token.kind !== 'register' || token.number !== want.number) return undefined
    } else if (want.kind === 'number') {
      if (token.kind !== 'number' || token.value !== want.value) return undefined
    }
  }
  return fields
}

const wordOf = (token: Token): string | undefined => (token.kind === 'word' ? token.text : undefined)

let compiled: Patterns | undefined

/** The patterns, made on first use: they are the same for everyone and never change. */
export const patterns = (): Patterns => (compiled ??= compilePatterns())
