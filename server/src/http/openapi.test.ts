import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import { standInJobs, standInServices, standInWebhooks } from '../../test/stand-in-services.ts'
import { readConfig } from '../config.ts'
import { openApiDocument } from './openapi.ts'

const root = path.resolve(import.meta.dirname, '../../..')
const rooms = { services: standInServices().services, jobs: standInJobs, webhooks: standInWebhooks }
const version: string = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).version

test('openapi.json describes the routes as they are; after a wanted change run `npm run openapi -- -u`', async () => {
  const document = await openApiDocument(readConfig({}).config, rooms, version)
  await expect(document).toMatchFileSnapshot(path.join(root, 'openapi.json'))
})

test('the documented routes are the public ones, all of them', async () => {
  const document = JSON.parse(await openApiDocument(readConfig({}).config, rooms, version))
  expect(Object.entries(document.paths).map(([url, methods]) => [url, Object.keys(Object(methods))])).toEqual([
    ['/healthz', ['get']],
    ['/readyz', ['get']],
    ['/v1/{slug}', ['post']],
    ['/v1/get-user-credits', ['get']],
    ['/v2/{slug}', ['post']],
    ['/v2/requests/{id}/status', ['get']],
    ['/v2/requests/{id}', ['get']],
    ['/v1/requests/{id}', ['get']],
    ['/v1/tokenize', ['post']],
    ['/v1/estimate', ['post']],
    ['/v1/similarity', ['post']],
    ['/v1/rerank', ['post']],
    ['/v1/embeddings', ['post']],
    ['/v1/files', ['get', 'post']],
    ['/v1/files/{id}', ['get', 'delete']],
    ['/v1/files/{id}/content', ['get']],
    ['/v1/batches', ['post', 'get']],
    ['/v1/batches/{id}', ['get']],
    ['/v1/batches/{id}/cancel', ['post']],
    ['/v1beta/models/{model}:embedContent', ['post']],
    ['/v1beta/models/{model}:batchEmbedContents', ['post']],
    ['/v1beta/models/{model}:countTokens', ['post']],
    ['/v1beta1/publishers/google/models/{model}:predict', ['post']],
    ['/v1beta/files', ['get']],
    ['/v1beta/files/{id}', ['get', 'delete']],
    ['/v1beta/files/{id}:download', ['get']],
    ['/upload/v1beta/files', ['post']],
    ['/v1beta/batches', ['get']],
    ['/v1beta/batches/{id}', ['get', 'delete']],
    ['/v1beta/batches/{id}:cancel', ['post']],
    ['/v1beta/models/{model}:asyncBatchEmbedContent', ['post']],
    ['/embed', ['post']],
    ['/similarity', ['post']],
    ['/tokenize', ['post']],
    ['/info', ['get']],
    ['/api/embed', ['post']],
    ['/api/embeddings', ['post']],
    ['/api/tags', ['get']],
    ['/api/show', ['post']],
    ['/api/version', ['get']],
    ['/v1/embed', ['post']],
    ['/v2/embed', ['post']],
    ['/v2/rerank', ['post']],
    ['/v1/models', ['get']],
    ['/v1/models/{name}', ['get']],
    ['/v1/webhook_endpoints', ['post', 'get']],
    ['/v1/webhook_endpoints/{id}', ['post', 'delete', 'get']],
    ['/v1/webhook_endpoints/{id}/rotate_secret', ['post']],
    ['/v1/webhook_event_types', ['get']],
    ['/v1/webhook_endpoints/{id}/deliveries', ['get']],
    ['/v1/webhook_endpoints/{id}/test', ['post']],
    ['/metrics', ['get']],
  ])
})
