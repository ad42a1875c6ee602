/**
 * What Node and the C library are told when they run the server; so do the tests and benchmarks that start one.
 *
 * Measured with 16 callers: 830 MB instead of 1040, at the same speed or better. A young generation of 16 MB stays in the
 * processor's caches, and what outlives it is collected no more often. Of heaps of its own glibc would make eight a
 * processor, one for each thread, and each keeps what a thread needed once, such as for compiling the embedded database.
 */
export const serverNodeArguments = ['--max-semi-space-size=16']
export const serverEnvironment = { MALLOC_ARENA_MAX: '2' }
