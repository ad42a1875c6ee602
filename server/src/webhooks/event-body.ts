import type { JobEvent } from '../jobs/events.ts'

/** What an event says: that something ended, never what came of it. Source: OpenAI's OpenAPI document, webhook events. */
export function eventBody({ id, type, subjectId, createdAtMs }: Omit<JobEvent, 'accountId'>): string {
  return JSON.stringify({ id, object: 'event', created_at: Math.floor(createdAtMs / 1_000), type, data: { id: subjectId } })
}
