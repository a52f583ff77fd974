// Conditional jumps, one short function per comparison and width.

import type { Comparison } from '../isa/forms.ts'
import type { Step } from './step.ts'

type Compare = (d: number, s: number, target: number, next: number) => Step

export const JMP64: Record<Comparison, Compare> = {
  jeq: (d, s, target, next) => (r) => (r[d] === r[s] && r[d + 1] === r[s + 1] ? target : next),
  jne: (d, s, target, next) => (r) => (r[d] !== r[s] || r[d + 1] !== r[s + 1] ? target : next),
  jset: (d, s, target, next) => (r) => ((r[d]! & r[s]!) | (r[d + 1]! & r[s + 1]!) ? target : next),
  // The high halves decide, unless they are equal; low halves always compare unsigned.
  jgt: (d, s, target, next) => (r) =>
    (r[d + 1] === r[s + 1] ? r[d]! >>> 0 > r[s]! >>> 0 : r[d + 1]! >>> 0 > r[s + 1]! >>> 0) ? target : next,
  jge: (d, s, target, next) => (r) =>
    (r[d + 1] === r[s + 1] ? r[d]! >>> 0 >= r[s]! >>> 0 : r[d + 1]! >>> 0 > r[s + 1]! >>> 0) ? target : next,
  jlt: (d, s, target, next) => (r) =>
    (r[d + 1] === r[s + 1] ? r[d]! >>> 0 < r[s]! >>> 0 : r[d + 1]! >>> 0 < r[s + 1]! >>> 0) ? target : next,
  jle: (d, s, target, next) => (r) =>
    (r[d + 1] === r[s + 1] ? r[d]! >>> 0 <= r[s]! >>> 0 : r[d + 1]! >>> 0 < r[s + 1]! >>> 0) ? target : next,
  jsgt: (d, s, target, next) => (r) =>
    (r[d + 1] === r[s + 1] ? r[d]! >>> 0 > r[s]! >>> 0 : r[d + 1]! > r[s + 1]!) ? target : next,
  jsge: (d, s, target, next) => (r) =>
    (r[d + 1] === r[s + 1] ? r[d]! >>> 0 >= r[s]! >>> 0 : r[d + 1]! > r[s + 1]!) ? target : next,
  jslt: (d, s, target, next) => (r) =>
    (r[d + 1] === r[s + 1] ? r[d]! >>> 0 < r[s]! >>> 0 : r[d + 1]! < r[s + 1]!) ? target : next,
  jsle: (d, s, target, next) => (r) =>
    (r[d + 1] === r[s + 1] ? r[d]! >>> 0 <= r[s]! >>> 0 : r[d + 1]! < r[s + 1]!) ? target : next,
}

export const JMP32: Record<Comparison, Compare> = {
  jeq: (d, s, target, next) => (r) => (r[d] === r[s] ? target : next),
  jne: (d, s, target, next) => (r) => (r[d] !== r[s] ? target : next),
  jset: (d, s, target, next) => (r) => (r[d]! & r[s]! ? target : next),
  jgt: (d, s, target, next) => (r) => (r[d]! >>> 0 > r[s]! >>> 0 ? target : next),
  jge: (d, s, target, next) => (r) => (r[d]! >>> 0 >= r[s]! >>> 0 ? target : next),
  jlt: (d, s, target, next) => (r) => (r[d]! >>> 0 < r[s]! >>> 0 ? target : next),
  jle: (d, s, target, next) => (r) => (r[d]! >>> 0 <= r[s]! >>> 0 ? target : next),
  jsgt: (d, s, target, next) => (r) => (r[d]! > r[s]! ? target : next),
  jsge: (d, s, target, next) => (r) => (r[d]! >= r[s]! ? target : next),
  jslt: (d, s, target, next) => (r) => (r[d]! < r[s]! ? target : next),
  jsle: (d, s, target, next) => (r) => (r[d]! <= r[s]! ? target : next),
}
