// Near names for a mistyped one.

/** `; did you mean 'a' or 'b'?` for the closest names, else ''. */
export function suggest(name: string, known: Iterable<string>, most = 3): string {
  const limit = Math.max(2, Math.floor(name.length / 3))
  const near = nearest(name, known, limit).slice(0, most)
  if (near.length === 0) return ''
  return `; did you mean ${near.map((each) => `'${each}'`).join(' or ')}?`
}

/** Names within `limit` edits, or that contain the name (or its last part), nearest first; ties in alphabetical order. */
function nearest(name: string, known: Iterable<string>, limit: number): string[] {
  const found: { name: string; distance: number }[] = []
  for (const each of new Set(known)) {
    const contained = name.length >= 4 && each.includes(name)
    const distance = contained ? 1 : editDistance(name, each, limit)
    if (distance <= limit) found.push({ name: each, distance })
  }
  found.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1))
  return found.map((each) => each.name)
}

/** Edits (insert, delete, replace, swap neighbours) from a to b; `limit + 1` as soon as it must be more. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let previous: number[] = []
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    let best = i
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, previous[j - 2]! + 1)
      next.push(cost)
      best = Math.min(best, cost)
    }
    if (best > limit) return limit + 1
    previous = row
    row = next
  }
  return row[b.length]!
}
