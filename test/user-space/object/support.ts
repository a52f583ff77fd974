import { readFileSync } from 'node:fs'
import { readObjectBytes } from '../../../user-space/object/read.ts'
import type { ObjectSpec } from '../../../user-space/object/spec.ts'

/** The bytes of an object of test/data/objects, as clang wrote it. */
export const objectBytes = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../data/objects/${name}.bpf.o`, import.meta.url)))

export const readTestObject = (name: string): ObjectSpec => readObjectBytes(objectBytes(name), `${name}.bpf.o`)
