import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readConfig } from '../../src/config.ts'
import { NearfieldError } from '../../src/errors.ts'
import { mayConnect } from '../../src/webhooks/address.ts'
import { type DeliverOptions, deliver } from '../../src/webhooks/deliver.ts'
import { readTarget } from '../../src/webhooks/target.ts'
import { startReceiver } from './receiver.ts'

// A canary listens on every address of this machine. Whatever address a caller names, and however, nothing may come to it.

const canary = createServer((socket) => {
  connections++
  socket.destroy()
})
let connections = 0
let port = 0
beforeAll(async () => {
  canary.listen(0, '::')
  await once(canary, 'listening')
  port = (canary.address() as AddressInfo).port
})
beforeEach(() => {
  connections = 0
})
afterAll(() => new Promise((resolve) => canary.close(resolve)))

/** Every form of a host that is not on the public internet, as it may stand in an address. */
const forms = [
  ...['127.0.0.1', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.1', '0177.0.0.1', '017700000001', '127.0.0.1.', '127.255.255.254'],
  ...[
    '0.0.0.0',
    '0',
    '１２７.０.０.１',
    '127。0。0。1',
    '①②⑦.0.0.1',
    '%31%32%37.0.0.1',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
  ],
  ...[
    '169.254.169.254',
    '169.254.1.1',
    '0xa9fea9fe',
    '100.64.0.1',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '192.0.2.1',
    '198.18.0.1',
  ],
  ...[
    '224.0.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '[::1]',
    '[::]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
  ],
  ...['[::ffff:0:127.0.0.1]', '[64:ff9b::7f00:1]', '[64:ff9b:1::1]', '[2002:7f00:1::]', '[2001:0:7f00:1::]', '[2001:db8::1]', '[3fff::1]'],
  ...['[fe80::1]', '[fe80::1%25eth0]', '[fc00::1]', '[fd00:ec2::254]', '[ff02::1]', '[fec0::1]', '[5f00::1]', '[100::1]'],
]

/** The port is opened, so that nothing but the address itself keeps the canary alone. */
function optionsWith(resolve: DeliverOptions['resolve'], changes: object = {}, timeoutMs = 5_000): DeliverOptions {
  const settings = { ...readConfig({}).config.webhooks, timeoutMs }
  const allow = { ...settings.allow, ports: [port], ...changes }
  return { settings: { ...settings, allow }, resolve, authorities: undefined, signal: new AbortController().signal }
}

const noNames: DeliverOptions['resolve'] = () => Promise.reject(new Error('no name is to be looked up'))
const message = (url: string) => ({ url, headers: {}, body: '{}' })
/** The address that a form is, for names to resolve to. */
const addressOf = (form: string) => URL.parse(`https://${form}/`)?.hostname.replace(/^\[|\]$/g, '') ?? form
const found = (...addresses: string[]) => addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }))
/** Counts as public, but is handed out to nobody, so that a connection there comes to nothing and bothers nobody. */
const nobodysAddress = '2000::1'

test('the canary sings: it is reached once private addresses are opened, under both versions of the protocol', async () => {
  for (const host of ['127.0.0.1', '[::1]']) {
    const before = connections
    await deliver(message(`http://${host}:${port}/`), optionsWith(noNames, { private: true }))
    expect(connections).toBe(before + 1)
  }
})

test('there are more than forty forms', () => expect(new Set(forms).size).toBeGreaterThan(40))

describe.each(forms)('%s', (form) => {
  test('as it stands', async () => {
    for (const scheme of ['https', 'http']) {
      const url = `${scheme}://${form}:${port}/`
      expect(await deliver(message(url), optionsWith(noNames))).toEqual({ status: undefined, reason: 'address_refused' })
      expect(() => readTarget(url, optionsWith(noNames).settings.allow)).toThrow(NearfieldError)
    }
    expect(connections).toBe(0)
  })

  test('behind a name', async () => {
    const options = optionsWith(async () => found(addressOf(form)))
    expect(await deliver(message(`https://hooks.example:${port}/`), options)).toEqual({ status: undefined, reason: 'address_refused' })
    expect(connections).toBe(0)
  })

  test('behind a name that is public when it is looked up first', async () => {
    const url = `https://rebinding.example:${port}/`
    const answers = [nobodysAddress, addressOf(form), addressOf(form)]
    const options = optionsWith(async () => found(answers.shift() ?? ''))
    const hasty = optionsWith(options.resolve, {}, 50)
    expect(await deliver(message(url), hasty)).toMatchObject({ reason: expect.stringMatching(/connection_failed|timed_out/) })
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(await deliver(message(url), options)).toEqual({ status: undefined, reason: 'address_refused' })
    }
    expect(connections).toBe(0)
  })

  test('behind a name, in between public addresses', async () => {
    const options = optionsWith(async () => found(nobodysAddress, addressOf(form), '2000::2'))
    expect(await deliver(message(`https://alias.example:${port}/`), options)).toEqual({ status: undefined, reason: 'address_refused' })
    expect(connections).toBe(0)
  })

  test('behind a redirect', async () => {
    await using receiver = await startReceiver()
    for (const status of [301, 302, 303, 307, 308]) {
      receiver.way = () => ({ status, headers: { location: `http://${addressOf(form)}:${port}/` } })
      const options = optionsWith(noNames, { destinations: new Set([`127.0.0.1:${receiver.port}`]) })
      expect(await deliver(message(receiver.url), options)).toMatchObject({ status })
    }
    expect(connections).toBe(0)
  })
})

test('a name whose addresses change between being checked and being used does not get by', async () => {
  let reads = 0
  const turncoat = {
    family: 6,
    get address() {
      return reads++ === 0 ? nobodysAddress : '::1'
    },
  }
  const result = await deliver(
    message(`https://turncoat.example:${port}/`),
    optionsWith(async () => [turncoat]),
  )
  expect(result).toMatchObject({ reason: expect.stringMatching(/connection_failed|timed_out/) })
  expect(connections).toBe(0)
})

test('no name at all is no address', async () => {
  expect(
    await deliver(
      message(`https://empty.example:${port}/`),
      optionsWith(async () => []),
    ),
  ).toMatchObject({ reason: 'address_refused' })
})

test.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '192.169.0.1', '100.128.0.1', '2606:4700:4700::1111', '2a00:1450:4001::1'])(
  'what is public is open: %s',
  (address) => expect(mayConnect(address, false)).toBe(true),
)

test.each([
  '169.254.169.254',
  'fd00:ec2::254',
  '100.100.100.200',
  '168.63.129.16',
  'fe80::1',
  '0.0.0.0',
  '::ffff:127.0.0.1',
  '224.0.0.1',
  'localhost',
])('opening private addresses does not open %s', (address) => expect(mayConnect(address, true)).toBe(false))

test.each([
  ['another scheme', 'ftp://hooks.example/', 'must begin with https://'],
  ['no scheme', 'hooks.example/', 'must be a whole address'],
  ['no TLS', 'http://hooks.example/', 'must begin with https://'],
  ['a password', 'https://user:password@hooks.example/', 'must not hold a user or a password'],
  ['a user', 'https://user@hooks.example/', 'must not hold a user or a password'],
  ['another port', 'https://hooks.example:22/', 'may name the ports 443 and 8443 only'],
  ['a line break', 'https://hooks.example/\r\nhost: other', 'must be a whole address'],
  ['nothing', '', 'must be a whole address'],
])('an address is refused with what is allowed, and not repeated: %s', (_what, url, sentence) => {
  const read = () => readTarget(url, readConfig({}).config.webhooks.allow)
  expect(read).toThrow(sentence)
  expect(read).not.toThrow('hooks.example')
})

test('one opened destination opens nothing beside it', async () => {
  const changes = { ports: [443], destinations: new Set([`127.0.0.1:${port + 1}`, `hooks.internal:${port}`]) }
  for (const url of [`http://127.0.0.1:${port}/`, `http://127.1:${port}/`, `http://other.internal:${port}/`]) {
    expect(
      await deliver(
        message(url),
        optionsWith(async () => found('127.0.0.1'), changes),
      ),
    ).toMatchObject({ reason: 'address_refused' })
  }
  expect(connections).toBe(0)
  await deliver(
    message(`http://hooks.internal:${port}/`),
    optionsWith(async () => found('127.0.0.1'), changes),
  )
  expect(connections).toBe(1)
  const metadata = optionsWith(async () => found('169.254.169.254'), changes)
  expect(await deliver(message(`http://hooks.internal:${port}/`), metadata)).toMatchObject({ reason: 'address_refused' })
})
