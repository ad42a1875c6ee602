import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: [
      'server/**/*.test.ts',
      'cli/**/*.test.ts',
      'clients/**/*.test.ts',
      'scripts/**/*.test.ts',
      'conformance/**/*.test.ts',
      'test/**/*.test.ts',
    ],
    // Tests start servers, databases and models, and measure none of them; what hangs is told by the runner's limit.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Real child processes and PGlite: a few at once are faster than many.
    maxWorkers: 2,
    pool: 'forks',
  },
})
