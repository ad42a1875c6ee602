import { expect, test } from 'vitest'
import { readWebhookSettings } from './webhook-settings.ts'

test('nothing but public https addresses is open unless the operator says so', () => {
  const { allow } = readWebhookSettings({})
  expect(allow).toEqual({ ports: [443, 8_443], private: false, destinations: new Set() })
})

test('each entry opens one port of one host, and the word private opens private networks', () => {
  const { allow } = readWebhookSettings({ NEARFIELD_WEBHOOKS_ALLOW: 'hooks.internal:9000, [::1]:80,127.0.0.1:4000' })
  expect(allow.private).toBe(false)
  expect([...allow.destinations]).toEqual(['hooks.internal:9000', '[::1]:80', '127.0.0.1:4000'])
  expect(readWebhookSettings({ NEARFIELD_WEBHOOKS_ALLOW: 'private' }).allow.private).toBe(true)
})

test.each(['hooks.internal', 'http://hooks.internal:80', 'hooks.internal:0', 'a b:80', 'user@hooks.internal:80', '*:80/x', 'on', ':80'])(
  'an entry that is no host with a port is refused at the start: %s',
  (entry) => expect(() => readWebhookSettings({ NEARFIELD_WEBHOOKS_ALLOW: entry })).toThrow(`NEARFIELD_WEBHOOKS_ALLOW holds "${entry}"`),
)

test.each(['soon', '5,', '-1', '1.5', '9999999', Array(21).fill('1').join(',')])('a schedule that cannot be is refused: %s', (text) => {
  const read = () => readWebhookSettings({ NEARFIELD_WEBHOOKS_SCHEDULE_SECONDS: text }).scheduleMs
  if (text === '5,') expect(read()).toEqual([5_000])
  else expect(read).toThrow('NEARFIELD_WEBHOOKS_SCHEDULE_SECONDS is')
})
