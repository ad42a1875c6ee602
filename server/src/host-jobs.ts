import type { Ground, Rooms } from './context.ts'
import { geminiBatchWire } from './dialects/gemini/batch-line.ts'
import { openAiBatchWire } from './dialects/openai/batch-line.ts'
import { segmindAsync } from './dialects/segmind/async-request.ts'
import { type JobRooms, openJobs } from './jobs/open-jobs.ts'
import { runBatches } from './run-batches.ts'
import { runRequests } from './run-requests.ts'
import type { Services } from './serve.ts'

/**
 * Opens the room for jobs and lets this server do what is in it. Disposing it waits for what is under way: models and billing must
 * be there until then.
 */
export function hostJobs({ config, clock, telemetry }: Ground, { database, access }: Rooms, services: Services): JobRooms {
  const jobs = openJobs({ database, config, clock, say: (sentence) => telemetry.log.warn(sentence) })
  const { jsonDepthMax } = config.http
  const openai = openAiBatchWire({ aliases: config.openAiAliases, jsonDepthMax })
  const gemini = geminiBatchWire({ unitLength: config.geminiUnitLength, jsonDepthMax })
  const limits = config.jobs
  runBatches({ jobs, services, wires: { openai, gemini }, limits, telemetry })
  runRequests({ jobs, services, access, wire: segmindAsync, limits })
  return jobs
}
