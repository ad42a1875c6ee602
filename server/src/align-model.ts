import { readConfig } from './config.ts'
import { type TaskType, taskTypes } from './embedding/request.ts'
import { type Aligned, align, overlapAt10Min, pairsMin } from './models/align.ts'
import { requireAlignedName, writeAlignedModel } from './models/aligned-models.ts'
import { ModelError } from './models/model-error.ts'
import type { UpstreamText } from './upstream/provider.ts'
import { lastVector, RecordingFile } from './upstream/recording-file.ts'
import { RecordingError } from './upstream/recording-line.ts'

export interface AlignRequest {
  readonly dataDirectory: string
  /** The recording that holds vectors of the other model. */
  readonly recording: string
  /** The other model, as its recording names it. */
  readonly like: string
  /** The purpose its texts were recorded with; left out, those without one are looked for. */
  readonly taskType: string | undefined
  /** The model to map, under its own name. */
  readonly model: string
  /** What callers will ask for. */
  readonly name: string
  /** Names that are deployments already. */
  readonly taken: readonly string[]
  readonly texts: readonly string[]
  readonly overlapMin: number
  /** Whole vectors of the model to map. */
  readonly embed: (texts: readonly string[]) => Promise<readonly Float32Array[]>
}

/** What was fitted and measured; `file` is `undefined` where it was refused, and nothing was installed. */
export interface AlignReport extends Omit<Aligned, 'map'> {
  readonly dimensions: number
  readonly overlapMin: number
  readonly file: string | undefined
}

/**
 * Maps a model towards another one that was recorded, and installs the map as a model of a new name if it ranks texts that it
 * was not fitted on enough like the other one, and more so than without it.
 * @throws ModelError when the name is not free, the recording cannot be read, or too few of the texts are in it
 */
export async function alignModel(request: AlignRequest): Promise<AlignReport> {
  const { dataDirectory, like, name, taken, model, overlapMin } = request
  requireAlignedName(name, like, taken)
  if (request.taskType !== undefined && !isTaskType(request.taskType)) {
    throw new ModelError(`"${request.taskType}" is no task type; choose ${taskTypes.join(', ')}.`)
  }
  const recorded = await recordedVectors(request)
  if (recorded.size < pairsMin) {
    throw new ModelError(
      `Of ${request.texts.length} texts the recording holds ${recorded.size} of ${like}${request.taskType ? ` with the task type ${request.taskType}` : ' without a task type'}; ` +
        `${pairsMin} are needed, better several times the dimensions. Record more: NEARFIELD_UPSTREAM=record.`,
    )
  }
  const targets = [...recorded.values()]
  const { map, ...measured } = align(await request.embed([...recorded.keys()]), targets)
  const report = { ...measured, dimensions: map.outputs, overlapMin }
  const isAccepted = measured.mapped.overlapAt10 >= overlapMin && measured.mapped.overlapAt10 > measured.local.overlapAt10
  if (!isAccepted) return { ...report, file: undefined }
  const alignment = { like, dimensions: map.outputs, overlapAt10: measured.mapped.overlapAt10 }
  return { ...report, file: await writeAlignedModel(dataDirectory, { name, model, map, alignment, taken }) }
}

export { overlapAt10Min }

function isTaskType(text: string): text is TaskType {
  return taskTypes.some((type) => type === text)
}

/** The recorded vectors of the texts that have one, by text. */
async function recordedVectors({ recording: path, like, taskType, texts }: AlignRequest): Promise<Map<string, Float32Array>> {
  try {
    await using recording = await RecordingFile.toReplay(path, readConfig({}).config.upstream.recording)
    const dimensions = recording.dimensionsOf(like)
    const vectors = new Map<string, Float32Array>()
    if (dimensions === undefined) return vectors
    for (const text of texts) {
      const asked: UpstreamText = taskType !== undefined && isTaskType(taskType) ? { text, taskType } : { text }
      const item = recording.itemOf(asked, { model: like, dimensions })
      const place = lastVector(recording.outcomesOf(item))
      if (place !== undefined) vectors.set(text, (await recording.vectorAt(place, item)).vector)
    }
    return vectors
  } catch (thrown) {
    throw thrown instanceof RecordingError ? new ModelError(thrown.message, { cause: thrown }) : thrown
  }
}
