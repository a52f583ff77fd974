// The engines there are, by name.

import { interpreter } from './interpreter/interpreter.ts'
import type { Engine, EngineName } from './machine.ts'

export const ENGINES: Partial<Record<EngineName, Engine>> = { interpreter }
