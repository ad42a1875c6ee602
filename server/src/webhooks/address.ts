import { BlockList, isIP } from 'node:net'

/**
 * Which addresses the server connects to when a caller says where. Whatever is not known to be public is refused: a list of
 * ranges that are forbidden would miss the one that nobody thought of. Source: the IANA registries of special-purpose
 * addresses for IPv4 and IPv6 (RFC 6890); OWASP, Server-Side Request Forgery.
 */
type Range = readonly [network: string, prefix: number]

/** Of IPv4 all is public that is not one of these. */
const specialRanges4: readonly Range[] = [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // carriers' own
  ['127.0.0.0', 8], // this machine
  ['169.254.0.0', 16], // this link, and the metadata of clouds
  ['168.63.129.16', 32], // the platform address of Azure
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocols
  ['192.0.2.0', 24], // documents
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarks
  ['198.51.100.0', 24], // documents
  ['203.0.113.0', 24], // documents
  ['224.0.0.0', 4], // many receivers
  ['240.0.0.0', 4], // reserved, broadcast
]

/** Of IPv6 only what is handed out as unicast can be public. Mapped, translated and compatible IPv4 addresses are outside of it. */
const unicastRange6: Range = ['2000::', 3]
const specialRanges6: readonly Range[] = [
  ['2001::', 23], // protocols: Teredo, ORCHID, benchmarks
  ['2001:db8::', 32], // documents
  ['2002::', 16], // 6to4, which wraps any IPv4 address
  ['3fff::', 20], // documents
]

/** What an operator may open: this machine and private networks. */
const privateRanges4: readonly Range[] = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
]
const privateRanges6: readonly Range[] = [
  ['::1', 128],
  ['fc00::', 7],
]
/** Where clouds hand out credentials within those; nobody's webhooks are there. */
const metadataAddresses4: readonly Range[] = [['100.100.100.200', 32]]
const metadataAddresses6: readonly Range[] = [['fd00:ec2::254', 128]]

const special4 = listOf('ipv4', specialRanges4)
const unicast6 = listOf('ipv6', [unicastRange6])
const special6 = listOf('ipv6', specialRanges6)
const private4 = listOf('ipv4', privateRanges4)
const private6 = listOf('ipv6', privateRanges6)
const metadata4 = listOf('ipv4', metadataAddresses4)
const metadata6 = listOf('ipv6', metadataAddresses6)

/**
 * Whether the server may connect to `address`, an IPv4 or IPv6 address in text. `allowsPrivate` is for destinations that the operator
 * opened; link-local and metadata addresses stay shut even then.
 */
export function mayConnect(address: string, allowsPrivate: boolean): boolean {
  // A zone, as in fe80::1%eth0, is for links only.
  if (address.includes('%')) return false
  switch (isIP(address)) {
    case 4:
      if (!special4.check(address, 'ipv4')) return true
      return allowsPrivate && private4.check(address, 'ipv4') && !metadata4.check(address, 'ipv4')
    case 6:
      if (unicast6.check(address, 'ipv6') && !special6.check(address, 'ipv6')) return true
      return allowsPrivate && private6.check(address, 'ipv6') && !metadata6.check(address, 'ipv6')
    default:
      return false
  }
}

function listOf(family: 'ipv4' | 'ipv6', ranges: readonly Range[]): BlockList {
  const list = new BlockList()
  for (const [network, prefix] of ranges) list.addSubnet(network, prefix, family)
  return list
}
