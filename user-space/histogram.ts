// Histograms as text, in the two forms that people know: bpftrace's hist() and lhist(), and libbpf-tools' print_log2_hist().

const BPFTRACE_LABEL = 16
const BPFTRACE_COUNT = 8
const BPFTRACE_BAR = 52

const SUFFIXES = ['', 'K', 'M', 'G', 'T', 'P', 'E']

/** 2^power as bpftrace writes it: 1, 512, 1K, 64M. */
const powerLabel = (power: number): string => `${2 ** (power % 10)}${SUFFIXES[Math.floor(power / 10)]}`

/** A bound of lhist(): suffixed only where it is a whole number of Ki or Mi. */
function boundLabel(value: number): string {
  if (value !== 0 && value % 2 ** 20 === 0) return `${value / 2 ** 20}M`
  if (value !== 0 && value % 2 ** 10 === 0) return `${value / 2 ** 10}K`
  return String(value)
}

function bpftraceLines(rows: readonly { label: string; count: number }[]): string {
  const first = rows.findIndex(({ count }) => count > 0)
  if (first < 0) return ''
  const last = rows.findLastIndex(({ count }) => count > 0)
  const most = Math.max(...rows.map(({ count }) => count))
  return rows
    .slice(first, last + 1)
    .map(({ label, count }) => {
      const bar = '@'.repeat(Math.floor((count / most) * BPFTRACE_BAR)).padEnd(BPFTRACE_BAR)
      return `${label.padEnd(BPFTRACE_LABEL)}${String(count).padStart(BPFTRACE_COUNT)} |${bar}|\n`
    })
    .join('')
}

/**
 * Counts per power of two, one line a bucket, as bpftrace prints `hist()`: `slots[i]` counts values of [2^i, 2^(i+1)), slot 0 also
 * the zeros where `zeros` is not given. Lines from the first to the last bucket that is not empty; '' when all are.
 */
export function log2Histogram(slots: readonly number[], zeros?: number): string {
  const rows = slots.map((count, i) => ({
    label: i === 0 ? (zeros === undefined ? '[0, 1]' : '[1]') : `[${powerLabel(i)}, ${powerLabel(i + 1)})`,
    count,
  }))
  return bpftraceLines(zeros === undefined ? rows : [{ label: '[0]', count: zeros }, ...rows])
}

/**
 * Counts of equal steps as bpftrace prints `lhist(value, min, max, step)`: the first slot counts what is below `min`, the last what
 * is not below `max`.
 */
export function linearHistogram(slots: readonly number[], min: number, max: number, step: number): string {
  const rows = slots.map((count, i) => {
    if (i === 0) return { label: `(..., ${boundLabel(min)})`, count }
    const low = min + (i - 1) * step
    if (low >= max) return { label: `[${boundLabel(max)}, ...)`, count }
    return { label: `[${boundLabel(low)}, ${boundLabel(Math.min(low + step, max))})`, count }
  })
  return bpftraceLines(rows)
}

/** The slot of lhist() that a value is counted in: 0 below `min`, the last one from `max` on. */
export function linearSlot(value: number, min: number, max: number, step: number): number {
  if (value < min) return 0
  if (value >= max) return Math.ceil((max - min) / step) + 1
  return 1 + Math.floor((value - min) / step)
}

/**
 * Counts per power of two as libbpf-tools print them: `slots[i]` counts values of [2^i, 2^(i+1)), slot 0 also zeros. `unit` heads
 * the column (`usecs`). Lines from slot 0 to the last that is not empty; '' when all are.
 */
export function toolsHistogram(slots: readonly number[], unit: string): string {
  const last = slots.findLastIndex((count) => count > 0)
  if (last < 0) return ''
  const most = Math.max(...slots)
  const narrow = last <= 32
  const [indent, heading, width, bar] = narrow ? [5, 19, 10, 40] : [15, 29, 20, 20]
  const rows = slots.slice(0, last + 1).map((count, i) => {
    const high = 2n ** BigInt(i + 1) - 1n
    const low = i === 0 ? 0n : 2n ** BigInt(i)
    const stars = '*'.repeat(Math.floor((count * bar) / most)).padEnd(bar)
    return `${String(low).padStart(width)} -> ${String(high).padEnd(width)} : ${String(count).padEnd(8)} |${stars}|\n`
  })
  return `${' '.repeat(indent)}${unit.padEnd(heading)} : count    distribution\n${rows.join('')}`
}
