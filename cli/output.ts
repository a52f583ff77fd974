// Standard output. Lines are written as they come; a closed pipe is handled in main.ts.

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** 64-bit values as full decimal digits: JSON numbers here are not limited to 2^53. */
export function json(value: unknown): string {
  return stringify(value) ?? 'null'
}

function stringify(value: unknown): string | undefined {
  switch (typeof value) {
    case 'bigint':
      return value.toString()
    case 'number':
      return Number.isFinite(value) ? String(value) : 'null'
    case 'object': {
      if (value === null) return 'null'
      if (Array.isArray(value)) return `[${value.map((item) => stringify(item) ?? 'null').join(',')}]`
      const members = Object.entries(value).flatMap(([key, member]) => {
        const text = stringify(member)
        return text === undefined ? [] : [`${JSON.stringify(key)}:${text}`]
      })
      return `{${members.join(',')}}`
    }
    case 'string':
    case 'boolean':
      return JSON.stringify(value)
    default:
      return undefined
  }
}
