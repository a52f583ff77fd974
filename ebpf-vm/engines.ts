// The engines there are, by name.

import { interpreter } from './interpreter/interpreter.ts'
import { jit } from './jit/jit.ts'
import type { Engine, EngineName } from './machine.ts'

export const ENGINES: Record<EngineName, Engine> = { interpreter, jit }
