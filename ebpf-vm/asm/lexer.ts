// One statement, or one template of isa/syntax.ts, as tokens, and the shape under which templates are looked up: registers become r
// or w, numbers and symbols #, hexadecimal numbers $, everything else stands for itself.

export type Token =
  | { readonly kind: 'register'; readonly width: 'r' | 'w'; readonly number: number }
  | { readonly kind: 'number'; readonly value: bigint; readonly hex: boolean }
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'sign'; readonly text: string }
  /** of templates: a register field, a value field */
  | { readonly kind: 'field'; readonly name: string; readonly shape: string }

const LEXEME = new RegExp(
  [
    /%?([rw])(\d+|\{\w+\})(?![\w.])/, // 1, 2: register
    /(?:pc\s*(?=[+-]))?((?:\+\s*)?-?\s*(?:0x[\da-f]+|\d+)(?![\w.]))/, // 3: number, pc+3 too
    /(?:\+\s*)?\{(\w+)\}/, // 4: field of a template
    /((?:s(?:>>=|>=|<=|\/=|%=|>|<)|<<=|>>=|[-+*/%&|^=!<>]=|[-+*&|^=<>()[\]:,]))/, // 5: sign
    /([A-Za-z_.$][\w.$]*)/, // 6: word
  ]
    .map(({ source }) => source)
    .join('|'),
  'iy',
)

/** Returns the tokens, or the rest of the text at which no token starts. */
export function tokenize(text: string): Token[] | string {
  const tokens: Token[] = []
  let at = 0
  while (true) {
    while (text[at] === ' ' || text[at] === '\t') at++
    if (at === text.length) return tokens
    LEXEME.lastIndex = at
    const match = LEXEME.exec(text)
    if (!match) return text.slice(at)
    at = LEXEME.lastIndex
    const [, width, register, number, field, sign, word] = match
    if (width && register) {
      const r = width.toLowerCase() as 'r' | 'w'
      if (register.startsWith('{')) tokens.push({ kind: 'field', name: register.slice(1, -1), shape: r })
      else tokens.push({ kind: 'register', width: r, number: Number(register) })
    } else if (number !== undefined) {
      tokens.push(numberToken(number))
    } else if (field !== undefined) {
      tokens.push({ kind: 'field', name: field, shape: field === 'wide' ? '$' : '#' })
    } else if (sign !== undefined) {
      tokens.push({ kind: 'sign', text: sign })
    } else {
      tokens.push({ kind: 'word', text: word! })
    }
  }
}

function numberToken(text: string): Token {
  const digits = text.replace(/[\s+]/g, '')
  const negative = digits.startsWith('-')
  const magnitude = BigInt(negative ? digits.slice(1) : digits)
  return { kind: 'number', value: negative ? -magnitude : magnitude, hex: /0x/i.test(digits) }
}

/** `isKeyword` tells words that stand for themselves from symbols. */
export function shapeOf(tokens: readonly Token[], isKeyword: (word: string) => boolean): string {
  return tokens.map((token) => shape(token, isKeyword)).join(' ')
}

function shape(token: Token, isKeyword: (word: string) => boolean): string {
  switch (token.kind) {
    case 'register':
      return token.width
    case 'number':
      return token.hex ? '$' : '#'
    case 'field':
      return token.shape
    case 'sign':
      return token.text
    case 'word':
      return isKeyword(token.text) ? token.text : '#'
  }
}
