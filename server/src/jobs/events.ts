/** Something that happened to a job, written in the same transaction and sent to the queue `job-event` as `{ eventId }`. */
export interface JobEvent {
  /** `evt_…` */
  readonly id: string
  readonly accountId: string
  readonly type: JobEventType
  /** Id of the batch or the request. */
  readonly subjectId: string
  readonly createdAtMs: number
}

export const jobEventTypes = [
  'batch.completed',
  'batch.failed',
  'batch.expired',
  'batch.cancelled',
  'request.completed',
  'request.failed',
] as const
export type JobEventType = (typeof jobEventTypes)[number]

export interface JobEvents {
  /** `undefined` once it has expired. @throws NearfieldError `unavailable` */
  find(eventId: string): Promise<JobEvent | undefined>
}
