import type { EngineLog } from '../src/inference/pool.ts'

/** For an engine, or a part of one, whose words a test does not read. */
export const silentLog: EngineLog = { info: () => {}, warn: () => {}, error: () => {} }
