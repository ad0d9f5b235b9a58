// Runs HubSpot's own Node client against the simulator, twice: "legacy" is the
// client as it is; "dated" is the same client through a proxy that gives every
// path its 2026-09 form.
//
//   node run.mjs SIMULATOR [TOPIC…]
import assert from 'node:assert/strict'
import { DatedProxy } from './proxy.mjs'
import { Report } from './runner.mjs'
import { startSimulator } from './sim.mjs'
import { World } from './world.mjs'

const TOPICS = ['oauth', 'records', 'batches', 'search', 'associations', 'account', 'limits', 'webhooks', 'journal']

const [binary, ...wanted] = process.argv.slice(2)
if (binary === undefined) {
  console.error('usage: node run.mjs SIMULATOR [TOPIC…]')
  process.exit(2)
}
const topics = wanted.length > 0 ? wanted : TOPICS

const report = new Report()

async function runPass(pass) {
  const simulator = await startSimulator(binary)
  let proxy
  try {
    if (pass === 'dated') {
      proxy = new DatedProxy(simulator.url)
      await proxy.start()
    }
    for (const name of topics) {
      const { default: topic } = await import(`./topics/${name}.mjs`)
      const checks = []
      try {
        await topic({
          pass, simulator, proxy,
          world: (options) => World.create(simulator, proxy?.url ?? simulator.url, options),
          it: (sentence, check) => checks.push([sentence, check]),
        })
      } catch (error) {
        checks.push(['the checks can be prepared', () => { throw error }])
      }
      for (const [sentence, check] of checks) await report.run(pass, name, sentence, check)
    }
    if (proxy && wanted.length === 0) await checkProxy(proxy)
  } finally {
    await proxy?.stop()
    await simulator.stop()
  }
}

/** The pass proves something only if every row of the table was really used; some topics alone don't. */
async function checkProxy(proxy) {
  const topic = 'dated paths'
  await report.run('dated', topic, 'the client called no path without a dated form', () => assert.deepEqual(proxy.unknown, []))
  for (const [family, count] of proxy.counts) {
    await report.run('dated', topic, `the client called ${family} by the dated path`, () => assert.ok(count > 0, 'no call came'))
  }
}

const passes = ['legacy', 'dated']
for (const pass of passes) await runPass(pass)
// A check that was given up may still hold a connection open.
process.exit(report.print(passes) ? 0 : 1)
