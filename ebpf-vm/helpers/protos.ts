// All helper prototypes, as plain records. A kernel's facts carry this table (or a version's variation of it).

import type { HelperProto } from '../../base/facts.ts'
import { BASE_HELPERS } from './base-helpers.ts'
import { NET_HELPERS } from './net-helpers.ts'
import { TRACING_HELPERS } from './tracing-helpers.ts'

export const HELPERS: readonly HelperProto[] = [...BASE_HELPERS, ...TRACING_HELPERS, ...NET_HELPERS]
