// The webhooks journal, from which an app learns of installs and uninstalls:
// HubSpot pushes neither.
import assert from 'node:assert/strict'
import { Listener } from '../listener.mjs'
import { UUID } from '../world.mjs'

const SCOPES = ['developer.webhooks_journal.read', 'developer.webhooks_journal.subscriptions.read', 'developer.webhooks_journal.subscriptions.write']
const INSTALL = '4-1909196'
const UNINSTALL = '4-1916193'

export default async function journal({ it, world, simulator }) {
  /** The app's own token, by its credentials. */
  const appToken = (w, scopes = SCOPES) =>
    w.form('/oauth/v3/token', { grant_type: 'client_credentials', client_id: w.app.clientId, client_secret: w.app.clientSecret, scope: scopes.join(' ') })
  const asApp = async (w, scopes) => {
    w.useToken((await appToken(w, scopes)).body.access_token)
    return w
  }
  const subscribe = (w, eventTypeId) => w.call('POST', '/webhooks-journal/subscriptions/2026-09', { subscriptionType: 'APP_LIFECYCLE_EVENT', eventTypeId, properties: [] })
  const earliest = (w) => w.call('GET', '/webhooks-journal/journal/2026-09/earliest')
  const next = (w, offset) => w.call('GET', `/webhooks-journal/journal/2026-09/offset/${offset}/next`)
  const uninstall = (w) => simulator.control('POST', `portals/${w.hub}/uninstall`, { clientId: w.app.clientId })
  /** Follows the journal to its end. */
  async function readAll(w) {
    const events = []
    let page = await earliest(w)
    while (page.status === 200) {
      const content = await (await fetch(page.body.url)).json()
      events.push(...content.journalEvents)
      page = await next(w, page.body.currentOffset)
    }
    return events
  }

  it('an app gets a token of its own by its credentials', async () => {
    const w = await world()
    const { status, body } = await appToken(w)
    assert.equal(status, 200)
    assert.ok(body.access_token)
    assert.ok(body.expires_in > 0)
  })
  it("an app's own token is for no account: it reads no contacts", async () => {
    const w = await asApp(await world())
    const { status } = await w.call('GET', '/crm/v3/objects/contacts')
    assert.ok(status === 401 || status === 403, `status ${status}`)
  })
  it("an account's token does not read the journal", async () => {
    const { status } = await earliest(await world())
    assert.ok(status === 401 || status === 403, `status ${status}`)
  })
  it('a subscription is created once, the second time it is a 409', async () => {
    const w = await asApp(await world())
    assert.equal(Math.floor((await subscribe(w, UNINSTALL)).status / 100), 2)
    assert.equal((await subscribe(w, UNINSTALL)).status, 409)
  })
  it('subscribing needs its scope', async () => {
    const w = await asApp(await world(), ['developer.webhooks_journal.read'])
    assert.equal((await subscribe(w, UNINSTALL)).status, 403)
  })
  it('where nothing has happened the journal is empty', async () => {
    const w = await asApp(await world())
    await subscribe(w, UNINSTALL)
    const { status } = await earliest(w)
    assert.ok(status === 204 || status === 404, `status ${status}`)
  })
  it('an empty journal can be a 404 as well as a 204, as both are seen', async () => {
    for (const journalEmptyIs404 of [false, true]) {
      const w = await asApp(await world({ app: { journalEmptyIs404 } }))
      assert.equal((await earliest(w)).status, journalEmptyIs404 ? 404 : 204)
    }
  })
  it('an install is in the journal, with the account', async () => {
    const w = await asApp(await world())
    await subscribe(w, INSTALL)
    const second = await simulator.control('POST', 'portals', { hubId: 600000 + w.hub, name: 'Second', domain: 'second.example' })
    const boss = await simulator.control('POST', `portals/${second.hubId}/users`, { email: 'kai@second.example', superAdmin: true })
    await simulator.control('POST', 'token', { clientId: w.app.clientId, hubId: second.hubId, userId: boss.id, scopes: [] })
    assert.deepEqual((await readAll(w)).map((e) => [e.action, e.portalId]), [['APP_INSTALL', second.hubId]])
  })
  it('an uninstall is in the journal, with the account', async () => {
    const w = await asApp(await world())
    await subscribe(w, UNINSTALL)
    await uninstall(w)
    const events = await readAll(w)
    assert.deepEqual(events.map((e) => [e.type, e.action, e.portalId]), [['app_lifecycle_event', 'APP_UNINSTALL', w.hub]])
    assert.ok(events[0].occurredAt)
  })
  it('an app that uninstalls itself is in the journal, too', async () => {
    const w = await world()
    const account = w.client
    await asApp(w)
    await subscribe(w, UNINSTALL)
    await account.apiRequest({ method: 'DELETE', path: '/appinstalls/v3/external-install' })
    assert.deepEqual((await readAll(w)).map((e) => e.action), ['APP_UNINSTALL'])
  })
  it('an entry is an address that works without a token, an offset and an end', async () => {
    const w = await asApp(await world())
    await subscribe(w, UNINSTALL)
    await uninstall(w)
    const { body } = await earliest(w)
    assert.match(body.currentOffset, UUID)
    assert.ok(Date.parse(body.expiresAt) > 0)
    const content = await (await fetch(body.url)).json()
    assert.equal(content.offset, body.currentOffset)
    assert.ok(Date.parse(content.publishedAt) > 0)
  })
  it('the journal goes on after an offset, and can be read again', async () => {
    const w = await asApp(await world())
    await subscribe(w, UNINSTALL)
    await uninstall(w)
    const { body } = await earliest(w)
    assert.ok([204, 404].includes((await next(w, body.currentOffset)).status))
    assert.equal((await earliest(w)).body.currentOffset, body.currentOffset)
  })
  it('an event without a subscription is not in the journal', async () => {
    const w = await asApp(await world())
    await subscribe(w, INSTALL)
    await uninstall(w)
    assert.deepEqual((await readAll(w)).filter((e) => e.action === 'APP_UNINSTALL'), [])
  })
  it("the journal of an app has nothing of other apps", async () => {
    const [one, other] = [await asApp(await world()), await asApp(await world())]
    await subscribe(one, UNINSTALL)
    await subscribe(other, UNINSTALL)
    await uninstall(other)
    assert.deepEqual(await readAll(one), [])
  })
  it('an uninstall is pushed to nobody', async () => {
    const listener = new Listener()
    await listener.start()
    try {
      const [w, witness] = [await world(), await world()]
      for (const { app } of [w, witness]) {
        await simulator.control('PUT', 'webhooks', { clientId: app.clientId, targetUrl: listener.url, subscriptions: [{ subscriptionType: 'contact.creation' }] })
      }
      await uninstall(w)
      await witness.crm.contacts.basicApi.create({ properties: { lastname: 'Witness' } })
      await listener.until(() => listener.events.length > 0, "the witness's event")
      assert.deepEqual(listener.events.map((e) => e.portalId), [witness.hub])
    } finally {
      await listener.stop()
    }
  })
}
