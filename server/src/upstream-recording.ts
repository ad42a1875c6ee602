import { setTimeout } from 'node:timers/promises'
import type { Ground } from './context.ts'
import { ConfigError } from './environment.ts'
import { upstreamDeployments } from './models/upstream-catalogue.ts'
import type { Provider } from './upstream/provider.ts'
import { recordProvider } from './upstream/record-provider.ts'
import { RecordingFile } from './upstream/recording-file.ts'
import { type RecordedModel, RecordingError } from './upstream/recording-line.ts'
import { replayProvider } from './upstream/replay-provider.ts'

/** What stands between the models of other machines and those machines, as the settings say: nothing, a recorder, or a recording. */
export interface UpstreamRecording extends AsyncDisposable {
  /** The providers of a model. `live` makes those that reach for the network; it is not called where a recording answers. */
  providersOf(model: RecordedModel, live: () => readonly Provider[]): readonly Provider[]
}

/** Texts of a replayed call; Google takes as many. */
const replayedTextsMax = 100

/** @throws ConfigError when there is nothing to record, or the recording cannot be used as the settings want */
export async function openUpstreamRecording({ config, clock, telemetry }: Ground): Promise<UpstreamRecording> {
  const { mode, file, replaysFailures, replaysLatency, ...limits } = config.upstream.recording
  if (mode === 'live' || file === undefined) return { providersOf: (_, live) => live(), [Symbol.asyncDispose]: async () => {} }
  if (upstreamDeployments(config.upstream).length === 0) {
    throw new ConfigError(`NEARFIELD_UPSTREAM is "${mode}", but no model of another machine is served. Give GEMINI_API_KEY, for example.`)
  }
  const recording = await (mode === 'record' ? RecordingFile.toRecord(file, limits) : RecordingFile.toReplay(file, limits)).catch(refuse)
  const onTrouble = (sentence: string) => telemetry.log.warn({}, sentence)
  const providersOf: UpstreamRecording['providersOf'] =
    mode === 'record'
      ? (model, live) => live().map((provider) => recordProvider({ provider, model, recording, clock, onTrouble }))
      : (model) => [
          replayProvider({
            ...{ model, recording, textsMax: replayedTextsMax, failures: replaysFailures },
            ...{ latency: replaysLatency, wait },
          }),
        ]
  return { providersOf, [Symbol.asyncDispose]: () => recording[Symbol.asyncDispose]() }
}

async function wait(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}

function refuse(thrown: unknown): never {
  throw thrown instanceof RecordingError ? new ConfigError(thrown.message, { cause: thrown }) : thrown
}
