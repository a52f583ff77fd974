// Tests that want Debian's packages or a compiler: `npm run test:debian`. A test that lacks its tool is skipped and says so.
import { defineConfig } from 'vitest/config'
import config from './vitest.config.ts'

export default defineConfig({
  ...config,
  test: { ...config.test, include: ['test/debian/**/*.test.ts'], exclude: ['node_modules/**'], testTimeout: 300_000 },
})
