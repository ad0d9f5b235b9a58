// Rate limits as the headers and the refusals tell them, and the ways in which
// a call can go wrong.
import assert from 'node:assert/strict'
import { DIGITS, UUID, hubspot } from '../world.mjs'

const LIMITED = { settings: {} }

export default async function limits({ it, world, simulator }) {
  const page = (w) => w.crm.contacts.basicApi.getPage(1)
  const find = (w) => w.crm.contacts.searchApi.doSearch({ filterGroups: [], limit: 1 })
  const header = (answer, name) => answer.headers[name.toLowerCase()]
  /** Uses up the ten-second bucket. */
  const exhaust = (w, calls = 110) => atOnce(calls, () => page(w))
  /** Makes calls side by side, so that they fit into a span of time on a slow machine, too. */
  const atOnce = (calls, call) => Promise.all(Array.from({ length: calls }, call))

  // The ten-second bucket.

  it('a call carries the limit, what remains of it and its interval', async () => {
    const w = await world(LIMITED)
    await page(w)
    assert.deepEqual(
      [header(w.last, 'X-HubSpot-RateLimit-Max'), header(w.last, 'X-HubSpot-RateLimit-Remaining'), header(w.last, 'X-HubSpot-RateLimit-Interval-Milliseconds')],
      ['110', '109', '10000'])
  })
  it('each call takes one from what remains', async () => {
    const w = await world(LIMITED)
    const seen = []
    for (let i = 0; i < 3; i++) {
      await page(w)
      seen.push(header(w.last, 'X-HubSpot-RateLimit-Remaining'))
    }
    assert.deepEqual(seen, ['109', '108', '107'])
  })
  it('a call with an OAuth token carries no daily limit', async () => {
    const w = await world(LIMITED)
    await page(w)
    assert.deepEqual(Object.keys(w.last.headers).filter((name) => name.includes('ratelimit') && name.includes('daily')), [])
  })
  it('110 calls in ten seconds are taken, the next is a 429 of TEN_SECONDLY_ROLLING', async () => {
    const w = await world(LIMITED)
    await exhaust(w)
    const { status, body } = await w.refused(page(w))
    assert.deepEqual([status, body.status, body.errorType, body.policyName, body.message],
      [429, 'error', 'RATE_LIMIT', 'TEN_SECONDLY_ROLLING', 'You have reached your ten_secondly_rolling limit.'])
    assert.match(body.correlationId, UUID)
  })
  it('a 429 has no Retry-After', async () => {
    const w = await world(LIMITED)
    await exhaust(w)
    assert.equal(header(await w.refused(page(w)), 'Retry-After'), undefined)
  })
  it('a 429 writes nothing', async () => {
    const w = await world(LIMITED)
    await exhaust(w)
    assert.equal((await w.refused(w.crm.contacts.basicApi.create({ properties: { lastname: 'Late' } }))).status, 429)
    assert.equal((await w.records('contacts')).length, 0)
  })
  it('after ten seconds the bucket is full again', async () => {
    const w = await world(LIMITED)
    await exhaust(w)
    assert.equal((await w.refused(page(w))).status, 429)
    await simulator.advance('10s')
    await page(w)
    assert.equal(header(w.last, 'X-HubSpot-RateLimit-Remaining'), '109')
  })
  it('each account has its own bucket', async () => {
    const [one, other] = [await world(LIMITED), await world(LIMITED)]
    await exhaust(one)
    await page(other)
    assert.equal(header(other.last, 'X-HubSpot-RateLimit-Remaining'), '109')
  })
  it('two apps do not share a bucket in one account', async () => {
    const [one, other] = [await world(LIMITED), await world(LIMITED)]
    await exhaust(one)
    const { accessToken } = await simulator.control('POST', 'token', { clientId: other.app.clientId, hubId: one.hub, userId: one.admin.id, scopes: [] })
    await other.clientWith(accessToken).crm.contacts.basicApi.getPage(1)
    assert.equal(header(other.last, 'X-HubSpot-RateLimit-Remaining'), '109')
  })
  it('a batch of a hundred takes one from the bucket', async () => {
    const w = await world(LIMITED)
    await w.crm.contacts.batchApi.create({ inputs: Array.from({ length: 100 }, (_, i) => ({ properties: { lastname: `B${i}` }, associations: [] })) })
    assert.equal(header(w.last, 'X-HubSpot-RateLimit-Remaining'), '109')
  })
  it("an account's own limit can be another", async () => {
    const w = await world({ settings: { burstLimit: 3 } })
    await exhaust(w, 3)
    assert.equal(header(w.last, 'X-HubSpot-RateLimit-Max'), '3')
    assert.equal((await w.refused(page(w))).status, 429)
  })
  it('token calls are not of the bucket', async () => {
    const w = await world({ settings: { burstLimit: 1 } })
    await exhaust(w, 1)
    await w.client.oauth.tokensApi.create('refresh_token', undefined, undefined, w.app.clientId, w.app.clientSecret, w.refreshToken)
    assert.equal(w.last.status, 200)
  })
  it('associations in batches do not count against the ten seconds', async () => {
    const w = await world({ settings: { burstLimit: 2 } })
    const [a, b] = [await w.seed('contacts', { lastname: 'A' }), await w.seed('companies', { name: 'B' })]
    for (let i = 0; i < 5; i++) await w.crm.associations.v4.batchApi.createDefault('contacts', 'companies', { inputs: [{ _from: { id: a.id }, to: { id: b.id } }] })
    await page(w)
    assert.equal(header(w.last, 'X-HubSpot-RateLimit-Remaining'), '1')
  })
  it('associations in batches have a bucket of their own, of 150 in ten seconds', async () => {
    const w = await world(LIMITED)
    const [a, b] = [await w.seed('contacts', { lastname: 'A' }), await w.seed('companies', { name: 'B' })]
    const batch = () => w.crm.associations.v4.batchApi.createDefault('contacts', 'companies', { inputs: [{ _from: { id: a.id }, to: { id: b.id } }] })
    await atOnce(150, batch)
    assert.equal((await w.refused(batch())).status, 429)
    await page(w)
    await simulator.advance('10s')
    await batch()
  })
  it('on a small plan that bucket is 100', async () => {
    const w = await world({ settings: { starter: true } })
    const [a, b] = [await w.seed('contacts', { lastname: 'A' }), await w.seed('companies', { name: 'B' })]
    const batch = () => w.crm.associations.v4.batchApi.createDefault('contacts', 'companies', { inputs: [{ _from: { id: a.id }, to: { id: b.id } }] })
    await atOnce(100, batch)
    assert.equal((await w.refused(batch())).status, 429)
  })
  it('a private app has 190 calls in ten seconds, 100 on a small plan', async () => {
    for (const [settings, most] of [[{}, '190'], [{ starter: true }, '100']]) {
      const w = await world({ app: { privateDistribution: true }, settings })
      await page(w)
      assert.equal(header(w.last, 'X-HubSpot-RateLimit-Max'), most)
    }
  })
  it('a private app is told of its daily limit', async () => {
    const w = await world({ app: { privateDistribution: true }, settings: {} })
    await page(w)
    assert.deepEqual([header(w.last, 'X-HubSpot-RateLimit-Daily'), header(w.last, 'X-HubSpot-RateLimit-Daily-Remaining')], ['625000', '624999'])
  })
  it('a day that is used up is a 429 of DAILY', async () => {
    const w = await world({ app: { privateDistribution: true }, settings: { dailyLimit: 2 } })
    await exhaust(w, 2)
    const { status, body } = await w.refused(page(w))
    assert.deepEqual([status, body.policyName, body.message], [429, 'DAILY', 'You have reached your daily limit.'])
  })
  it("the private apps of an account share its day", async () => {
    const [one, other] = [await world({ app: { privateDistribution: true }, settings: { dailyLimit: 2 } }), await world({ app: { privateDistribution: true } })]
    await exhaust(one, 2)
    const { accessToken } = await simulator.control('POST', 'token', { clientId: other.app.clientId, hubId: one.hub, userId: one.admin.id, scopes: [] })
    assert.equal((await other.refused(other.clientWith(accessToken).crm.contacts.basicApi.getPage(1))).status, 429)
  })
  it('an app of the marketplace has no daily limit', async () => {
    const w = await world({ settings: { dailyLimit: 2 } })
    await exhaust(w, 3)
    assert.equal(w.last.status, 200)
  })
  it("the client's own retry waits for what TEN_SECONDLY_ROLLING says", async () => {
    const w = await world()
    await w.fault({ path: '/crm/objects/2026-09/contacts', status: 429 })
    const error = console.error
    const said = []
    console.error = (line) => said.push(line)
    const patient = globalThis.setTimeout
    // The wait itself is the client's affair: it is cut short here.
    globalThis.setTimeout = (run, ms, ...rest) => patient(run, ms >= 10_000 ? 0 : ms, ...rest)
    try {
      const client = new hubspot.Client({ basePath: w.base, accessToken: w.accessToken, numberOfApiCallRetries: 2 })
      await client.crm.contacts.basicApi.getPage(1)
    } finally {
      globalThis.setTimeout = patient
      console.error = error
      // The client keeps its decorators for the whole process.
      w.clientWith(w.accessToken)
    }
    assert.deepEqual(said, ['Request failed with status code [429], will retry [1] time in [10000] ms'])
  })

  // Search.

  it('a search carries no rate-limit headers', async () => {
    const w = await world(LIMITED)
    await find(w)
    assert.deepEqual(Object.keys(w.last.headers).filter((name) => name.includes('ratelimit')), [])
  })
  it('a search takes nothing from the ten-second bucket', async () => {
    const w = await world(LIMITED)
    await find(w)
    await page(w)
    assert.equal(header(w.last, 'X-HubSpot-RateLimit-Remaining'), '109')
  })
  it('five searches in a second are taken, the sixth is a 429 that says secondly', async () => {
    let answers
    let since
    do {
      // A machine that is too slow for six calls in a second shows nothing: again.
      const w = await world(LIMITED)
      since = Date.now()
      answers = await atOnce(6, () => w.call('POST', '/crm/v3/objects/contacts/search', { filterGroups: [] }))
    } while (Date.now() - since > 900)
    const refused = answers.filter((a) => a.status === 429)
    assert.equal(refused.length, 1, `statuses ${answers.map((a) => a.status)}`)
    assert.equal(refused[0].body.message, 'You have reached your secondly limit.')
    assert.equal(refused[0].body.category, 'RATE_LIMITS')
  })
  it('the 429 of a search can lack its policy name, as it has been seen', async () => {
    const w = await world({ settings: { searchLimit: 1, plainSearchLimit: true } })
    await find(w)
    const { body } = await w.refused(find(w))
    assert.deepEqual(Object.keys(body).sort(), ['category', 'correlationId', 'message', 'status'])
  })
  it('a second later searches are taken again', async () => {
    const w = await world({ settings: { searchLimit: 1 } })
    await find(w)
    assert.equal((await w.refused(find(w))).status, 429)
    await simulator.advance('1s')
    await find(w)
  })
  it('the apps of an account share its searches', async () => {
    const [one, other] = [await world({ settings: { searchLimit: 1 } }), await world()]
    const { accessToken } = await simulator.control('POST', 'token', { clientId: other.app.clientId, hubId: one.hub, userId: one.admin.id, scopes: [] })
    await find(one)
    assert.equal((await other.refused(other.clientWith(accessToken).crm.contacts.searchApi.doSearch({ filterGroups: [] }))).status, 429)
  })

  // Calls that go wrong.

  const companies = '/crm/objects/2026-09/companies'
  const create = (w, name = 'Fault') => w.crm.companies.basicApi.create({ properties: { name } })
  const made = async (w) => (await w.records('companies')).length

  it('a locked record is a 423, and nothing is written', async () => {
    const w = await world()
    await w.fault({ path: companies, status: 423 })
    const { status, body } = await w.refused(create(w))
    assert.deepEqual([status, body.status, await made(w)], [423, 'error', 0])
  })
  it('an account that is being moved is a 477 with Retry-After in seconds', async () => {
    const w = await world()
    await w.fault({ path: companies, status: 477 })
    const answer = await w.refused(create(w))
    assert.deepEqual([answer.status, await made(w)], [477, 0])
    assert.match(header(answer, 'Retry-After'), DIGITS)
  })
  it('a 502 before the commit writes nothing', async () => {
    const w = await world()
    await w.fault({ path: companies, status: 502 })
    const { status } = await w.call('POST', '/crm/v3/objects/companies', { properties: { name: 'Fault' } })
    assert.deepEqual([status, await made(w)], [502, 0])
  })
  it('a 502 after the commit has written', async () => {
    const w = await world()
    await w.fault({ path: companies, status: 502, answerAfterCommit: true })
    const { status } = await w.call('POST', '/crm/v3/objects/companies', { properties: { name: 'Fault' } })
    assert.deepEqual([status, await made(w)], [502, 1])
  })
  it('a 502 is from the edge and no JSON', async () => {
    const w = await world()
    await w.fault({ path: companies, status: 502 })
    const { headers, body } = await w.call('GET', '/crm/v3/objects/companies')
    assert.match(headers['content-type'], /^text\/html/)
    assert.equal(body, undefined)
  })
  it('a connection that is cut before the commit writes nothing', async () => {
    const w = await world()
    await w.fault({ path: companies, cutBeforeCommit: true })
    await assert.rejects(create(w))
    assert.equal(await made(w), 0)
  })
  it('a connection that is cut after the commit has written', async () => {
    const w = await world()
    await w.fault({ path: companies, cutAfterCommit: true })
    await assert.rejects(create(w))
    assert.equal(await made(w), 1)
  })
  it('a write can be committed long after its answer', async () => {
    const w = await world()
    await w.fault({ path: companies, status: 504, commitLate: '30s' })
    assert.equal((await w.call('POST', '/crm/v3/objects/companies', { properties: { name: 'Fault' } })).status, 504)
    assert.equal(await made(w), 0)
    await simulator.advance('31s')
    assert.equal(await made(w), 1)
  })
  it('an answer that is cut in the middle is an error for the client, and has written', async () => {
    const w = await world()
    await w.fault({ path: companies, truncateBody: true })
    await assert.rejects(create(w))
    assert.equal(await made(w), 1)
  })
  it('a body that is not what it should be does not pass for a record', async () => {
    const w = await world()
    await w.fault({ path: companies, status: 200, body: '<html>maintenance</html>', header: { 'Content-Type': 'text/html' } })
    await assert.rejects(create(w))
  })
  it('a fault is over when it has happened as often as it was told to', async () => {
    const w = await world()
    await w.fault({ path: companies, status: 503, times: 2 })
    const statuses = []
    for (let i = 0; i < 3; i++) statuses.push((await w.call('GET', '/crm/v3/objects/companies')).status)
    assert.deepEqual(statuses, [503, 503, 200])
  })

  // What the simulator noted.

  it('every write is listed with the app and the user that made it', async () => {
    const w = await world()
    const { id } = await create(w, 'Noted')
    await w.crm.companies.basicApi.update(id, { properties: { city: 'Porto' } })
    await w.crm.companies.basicApi.archive(id)
    const list = (await w.writes()).map((x) => [x.operation, x.objectType, x.id, x.clientId, x.userId])
    assert.deepEqual(list, ['create', 'update', 'archive'].map((operation) => [operation, 'companies', id, w.app.clientId, w.admin.id]))
  })
  it('legacy and dated paths are counted as one endpoint', async () => {
    const w = await world()
    await simulator.control('DELETE', 'calls')
    await page(w)
    const count = (await simulator.control('GET', 'calls')).filter((c) => c.hubId === w.hub)
    assert.deepEqual(count.map((c) => [c.endpoint, c.count]), [['GET /crm/objects/2026-09/contacts', 1]])
  })
  it('a method that a path does not have is refused', async () => {
    const w = await world()
    assert.equal((await w.call('PUT', '/crm/v3/objects/contacts', {})).status, 405)
  })
}
