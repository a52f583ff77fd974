// "did you mean": names close to one that does not exist.

/** Levenshtein distance, given up (returned as `limit + 1`) once it exceeds `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + change))
    }
    row = next
  }
  return row[b.length]!
}

/** Up to three of `names`, nearest first; those that contain the word count as near. */
export function nearNames(word: string, names: Iterable<string>): string[] {
  const limit = Math.max(2, Math.floor(word.length / 3))
  const scored: { name: string; score: number }[] = []
  for (const name of names) {
    const score = name.includes(word) && word.length > 2 ? 1 : distance(word, name, limit)
    if (score <= limit) scored.push({ name, score })
  }
  return scored
    .sort((a, b) => a.score - b.score || (a.name < b.name ? -1 : 1))
    .slice(0, 3)
    .map(({ name }) => name)
}

/** ` (did you mean a, b or c?)`, or '' when nothing is near. */
export function didYouMean(word: string, names: Iterable<string>): string {
  const near = nearNames(word, names)
  if (near.length === 0) return ''
  const last = near.pop()
  return ` (did you mean ${near.length > 0 ? `${near.join(', ')} or ` : ''}${last}?)`
}
