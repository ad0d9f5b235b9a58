// What the simulator sends to an app's address, and whether the client's own
// signature check believes it.
import assert from 'node:assert/strict'
import { Listener } from '../listener.mjs'
import { DIGITS, hubspot } from '../world.mjs'

const { Signature } = hubspot

export default async function webhooks({ it, world, simulator }) {
  const subscribe = (w, listener, subscriptions, more = {}) =>
    simulator.control('PUT', 'webhooks', { clientId: w.app.clientId, targetUrl: listener.url, subscriptions, ...more })
  /** Gives a check an account whose app sends the subscriptions to a listener. */
  const withListener = (subscriptions, check, more) => async () => {
    const listener = new Listener()
    await listener.start()
    const w = await world()
    try {
      await subscribe(w, listener, subscriptions, more)
      await check(w, listener)
    } finally {
      await listener.stop()
      await simulator.control('PUT', 'webhooks', { clientId: w.app.clientId, subscriptions: [] })
    }
  }
  const created = [{ subscriptionType: 'contact.creation' }]
  const createContact = (w, properties = { email: 'ada@alder.example' }) => w.crm.contacts.basicApi.create({ properties })
  const came = (listener, n = 1) => listener.until(() => listener.events.length >= n, `delivery of ${n} event(s)`)
  /** A genuine delivery, and how the client is asked about it. */
  const delivery = async (w, listener) => {
    await createContact(w)
    await came(listener)
    const { body, headers, method } = listener.deliveries[0]
    return {
      headers,
      v1: { signatureVersion: 'v1', signature: headers['x-hubspot-signature'], clientSecret: w.app.clientSecret, requestBody: body },
      v3: {
        signatureVersion: 'v3', signature: headers['x-hubspot-signature-v3'], clientSecret: w.app.clientSecret, requestBody: body,
        method, url: listener.url, timestamp: Number(headers['x-hubspot-request-timestamp']),
      },
    }
  }

  // Signatures.

  it('the client believes the v1 signature of a delivery', withListener(created, async (w, listener) => {
    const { headers, v1 } = await delivery(w, listener)
    assert.equal(headers['x-hubspot-signature-version'], 'v1')
    assert.equal(Signature.isValid(v1), true)
  }))
  it('the client believes no v1 signature over another body', withListener(created, async (w, listener) => {
    const { v1 } = await delivery(w, listener)
    assert.equal(Signature.isValid({ ...v1, requestBody: v1.requestBody + ' ' }), false)
  }))
  it("the client believes no v1 signature with another app's secret", withListener(created, async (w, listener) => {
    const { v1 } = await delivery(w, listener)
    assert.equal(Signature.isValid({ ...v1, clientSecret: 'another' }), false)
  }))
  it('the client believes the v2 signature of a delivery, which covers method and address', withListener(created, async (w, listener) => {
    const { headers, v3 } = await delivery(w, listener)
    assert.equal(headers['x-hubspot-signature-version'], 'v2')
    const v2 = { ...v3, signatureVersion: 'v2', signature: headers['x-hubspot-signature'] }
    assert.equal(Signature.isValid(v2), true)
    assert.equal(Signature.isValid({ ...v2, url: v2.url + '&y=2' }), false)
    assert.equal(Signature.isValid({ ...v2, method: 'PUT' }), false)
  }, { signV2: true }))
  it('the client believes the v3 signature of a delivery, for the address with its query', withListener(created, async (w, listener) => {
    const { v3 } = await delivery(w, listener)
    assert.equal(Signature.isValid(v3), true)
  }))
  it('the client believes no v3 signature over another body, method or address', withListener(created, async (w, listener) => {
    const { v3 } = await delivery(w, listener)
    assert.equal(Signature.isValid({ ...v3, requestBody: v3.requestBody.replace('contact', 'kontact') }), false)
    assert.equal(Signature.isValid({ ...v3, method: 'PUT' }), false)
    assert.equal(Signature.isValid({ ...v3, url: v3.url.split('?')[0] }), false)
  }))
  it('the client believes no v3 signature with another time', withListener(created, async (w, listener) => {
    const { v3 } = await delivery(w, listener)
    assert.equal(Signature.isValid({ ...v3, timestamp: v3.timestamp + 1 }), false)
  }))
  it('the client refuses a genuine delivery that is older than five minutes', withListener(created, async (w, listener) => {
    const { v3 } = await delivery(w, listener)
    const now = Date.now
    try {
      Date.now = () => v3.timestamp + 299_000
      assert.equal(Signature.isValid(v3), true)
      Date.now = () => v3.timestamp + 301_000
      assert.throws(() => Signature.isValid(v3), /Timestamp is invalid/)
    } finally {
      Date.now = now
    }
  }))
  it('a delivery is a POST of JSON to the exact address', withListener(created, async (w, listener) => {
    await delivery(w, listener)
    const { method, path, headers } = listener.deliveries[0]
    assert.deepEqual([method, path], ['POST', listener.path])
    assert.match(headers['content-type'], /^application\/json/)
  }))

  // Events.

  it('a delivery is a list, and an event says app, account, record, kind, time and attempt', withListener(created, async (w, listener) => {
    const { id } = await createContact(w)
    await came(listener)
    assert.ok(Array.isArray(listener.deliveries[0].events))
    const [event] = listener.events
    assert.deepEqual([event.subscriptionType, event.portalId, event.appId, event.objectId, event.attemptNumber], ['contact.creation', w.hub, w.app.appId, Number(id), 0])
    assert.match(String(event.eventId), DIGITS)
    assert.match(String(event.subscriptionId), DIGITS)
    const { now } = await simulator.control('GET', 'clock')
    assert.ok(Math.abs(Date.parse(now) - event.occurredAt) < 60_000, `occurred at ${event.occurredAt}`)
  }))
  it('a creation and a deletion have a change flag', withListener([...created, { subscriptionType: 'contact.deletion' }], async (w, listener) => {
    const { id } = await createContact(w)
    await w.crm.contacts.basicApi.archive(id)
    await came(listener, 2)
    const flags = Object.fromEntries(listener.events.map((e) => [e.subscriptionType, e.changeFlag]))
    assert.ok(['NEW', 'CREATED'].includes(flags['contact.creation']), flags['contact.creation'])
    assert.equal(flags['contact.deletion'], 'DELETED')
  }))
  it('a changed property is told with its name and value', withListener([{ subscriptionType: 'contact.propertyChange', propertyName: 'jobtitle' }], async (w, listener) => {
    const { id } = await w.seed('contacts', { email: 'ada@alder.example', jobtitle: 'Clerk' })
    await w.crm.contacts.basicApi.update(id, { properties: { jobtitle: 'Buyer' } })
    await listener.until(() => listener.events.some((e) => e.propertyValue === 'Buyer'), 'the change')
    const event = listener.events.find((e) => e.propertyValue === 'Buyer')
    assert.deepEqual([event.subscriptionType, event.propertyName, event.objectId], ['contact.propertyChange', 'jobtitle', Number(id)])
  }))
  it('a property that nobody subscribed to is not told', withListener(
    [{ subscriptionType: 'contact.propertyChange', propertyName: 'jobtitle' }, { subscriptionType: 'contact.deletion' }], async (w, listener) => {
      const { id } = await w.seed('contacts', { email: 'ada@alder.example' })
      await w.crm.contacts.basicApi.update(id, { properties: { lastname: 'Reyes' } })
      await w.crm.contacts.basicApi.archive(id)
      await listener.until(() => listener.events.some((e) => e.subscriptionType === 'contact.deletion'), 'the deletion')
      assert.equal(listener.events.some((e) => e.propertyName === 'lastname'), false)
    }))
  it('each subscription has its own ID', withListener(
    ['firstname', 'lastname'].map((propertyName) => ({ subscriptionType: 'contact.propertyChange', propertyName })), async (w, listener) => {
      const { id } = await w.seed('contacts', { email: 'ada@alder.example' })
      await w.crm.contacts.basicApi.update(id, { properties: { firstname: 'Ada', lastname: 'Reyes' } })
      const changed = () => listener.events.filter((e) => ['Ada', 'Reyes'].includes(e.propertyValue))
      await listener.until(() => changed().length === 2, 'both changes')
      assert.equal(new Set(changed().map((e) => e.subscriptionId)).size, 2)
    }))
  it('a generic subscription names the type of the record by its number', withListener([{ subscriptionType: 'object.creation', objectType: '0-2' }], async (w, listener) => {
    const { id } = await w.crm.companies.basicApi.create({ properties: { name: 'Alder' } })
    await came(listener)
    const [event] = listener.events
    assert.deepEqual([event.subscriptionType, event.objectTypeId, event.objectId], ['object.creation', '0-2', Number(id)])
  }))
  it('a merge names the record that stays and the ones that went', withListener([{ subscriptionType: 'contact.merge' }], async (w, listener) => {
    const [primary, merged] = [await w.seed('contacts', { email: 'ada@alder.example' }), await w.seed('contacts', { email: 'ada@old.example', jobtitle: 'Buyer' })]
    await w.crm.contacts.basicApi.merge({ primaryObjectId: primary.id, objectIdToMerge: merged.id })
    await came(listener)
    const [event] = listener.events
    assert.deepEqual([event.subscriptionType, event.primaryObjectId, event.mergedObjectIds], ['contact.merge', Number(primary.id), [Number(merged.id)]])
    assert.equal(typeof event.newObjectId, 'number')
    assert.ok(event.numberOfPropertiesMoved >= 1)
  }))
  it('an association is told with both ends and no record of its own', withListener([{ subscriptionType: 'contact.associationChange' }], async (w, listener) => {
    const [contact, company] = [await w.seed('contacts', { lastname: 'A' }), await w.seed('companies', { name: 'B' })]
    await w.crm.associations.v4.basicApi.createDefault('contacts', contact.id, 'companies', company.id)
    await came(listener)
    const [event] = listener.events
    assert.deepEqual([event.fromObjectId, event.toObjectId, event.associationRemoved, 'objectId' in event], [Number(contact.id), Number(company.id), false, false])
    assert.match(event.associationType, /^CONTACT_TO_COMPANY/)
  }))
  it('an association that is taken away is told as removed', withListener([{ subscriptionType: 'contact.associationChange' }], async (w, listener) => {
    const [contact, company] = [await w.seed('contacts', { lastname: 'A' }), await w.seed('companies', { name: 'B' })]
    await w.crm.associations.v4.basicApi.createDefault('contacts', contact.id, 'companies', company.id)
    await w.crm.associations.v4.basicApi.archive('contacts', contact.id, 'companies', company.id)
    await listener.until(() => listener.events.some((e) => e.associationRemoved === true), 'the removal')
  }))
  it('a record that comes back is told as restored', withListener([{ subscriptionType: 'contact.restore' }], async (w, listener) => {
    const { id } = await w.seed('contacts', { email: 'ada@alder.example' })
    await w.crm.contacts.basicApi.archive(id)
    await simulator.control('POST', `portals/${w.hub}/restore`, { type: 'contacts', id })
    await came(listener)
    assert.deepEqual([listener.events[0].subscriptionType, listener.events[0].objectId], ['contact.restore', Number(id)])
  }))
  it('the older shape calls the type eventType, and a new record NEW', withListener(created, async (w, listener) => {
    await createContact(w)
    await came(listener)
    const [event] = listener.events
    assert.deepEqual([event.eventType, event.subscriptionType, event.changeFlag], ['contact.creation', undefined, 'NEW'])
  }, { olderShape: true }))
  it('a GDPR deletion is told as contact.privacyDeletion', withListener([{ subscriptionType: 'contact.privacyDeletion' }], async (w, listener) => {
    const { id } = await w.seed('contacts', { email: 'ada@alder.example' })
    await w.crm.contacts.basicApi.purge({ objectId: id })
    await came(listener)
    assert.deepEqual([listener.events[0].subscriptionType, listener.events[0].objectId], ['contact.privacyDeletion', Number(id)])
  }))
  it("an app is told of its own changes too, as an integration's", withListener(created, async (w, listener) => {
    await createContact(w)
    await came(listener)
    assert.equal(listener.events[0].changeSource, 'INTEGRATION')
  }))
  it('what a user does in HubSpot has another source', withListener([{ subscriptionType: 'contact.propertyChange', propertyName: 'jobtitle' }], async (w, listener) => {
    const { id } = await w.seed('contacts', { email: 'ada@alder.example' })
    await simulator.control('PATCH', `portals/${w.hub}/records/contacts/${id}`, { properties: { jobtitle: 'Buyer' } })
    await listener.until(() => listener.events.some((e) => e.propertyValue === 'Buyer'), 'the change')
    assert.equal(listener.events.find((e) => e.propertyValue === 'Buyer').changeSource, 'CRM_UI')
  }))
  it('one address gets the events of every account, told apart by portalId', withListener(created, async (w, listener) => {
    const second = await simulator.control('POST', 'portals', { hubId: 700000 + w.hub, name: 'Second', domain: 'second.example' })
    const boss = await simulator.control('POST', `portals/${second.hubId}/users`, { email: 'kai@second.example', superAdmin: true })
    const { accessToken } = await simulator.control('POST', 'token', { clientId: w.app.clientId, hubId: second.hubId, userId: boss.id, scopes: [] })
    await createContact(w)
    await w.clientWith(accessToken).crm.contacts.basicApi.create({ properties: { lastname: 'Voss' } })
    await came(listener, 2)
    assert.deepEqual(listener.events.map((e) => e.portalId).sort(), [w.hub, second.hubId].sort())
  }))
  it('an account without the app sends nothing', withListener(created, async (w, listener) => {
    const stranger = await world()
    await createContact(stranger)
    await createContact(w)
    await came(listener)
    assert.deepEqual([...new Set(listener.events.map((e) => e.portalId))], [w.hub])
  }))
  it('after an uninstall nothing is delivered', withListener(created, async (w, listener) => {
    await createContact(w)
    await came(listener)
    await simulator.control('POST', `portals/${w.hub}/uninstall`, { clientId: w.app.clientId })
    const second = await world()
    await subscribe(second, listener, created)
    await simulator.control('POST', `portals/${w.hub}/records/contacts`, { properties: { lastname: 'Silent' } })
    await createContact(second)
    await listener.until(() => listener.events.some((e) => e.portalId === second.hub), "the other account's event")
    assert.equal(listener.events.filter((e) => e.portalId === w.hub).length, 1)
  }))
  it('a delivery has at most a hundred events, and none is lost', withListener(created, async (w, listener) => {
    for (let i = 0; i < 3; i++) {
      await w.crm.contacts.batchApi.create({ inputs: Array.from({ length: 50 }, (_, j) => ({ properties: { lastname: `W${i}-${j}` }, associations: [] })) })
    }
    await simulator.control('POST', 'webhooks/deliver')
    await came(listener, 150)
    assert.equal(new Set(listener.events.map((e) => e.objectId)).size, 150)
    assert.deepEqual(listener.deliveries.map((d) => d.events.length), [100, 50])
  }, { manual: true }))
  it('what still waits when an account uninstalls is never delivered', withListener(created, async (w, listener) => {
    await createContact(w)
    await simulator.control('POST', `portals/${w.hub}/uninstall`, { clientId: w.app.clientId })
    await simulator.control('POST', 'webhooks/deliver')
    assert.deepEqual(listener.events, [])
  }, { manual: true }))

  // Retries.

  const attempts = (listener) => listener.events.map((e) => e.attemptNumber)
  /** A day later: every repetition is due. */
  const retry = async (listener, n) => {
    await simulator.advance('24h')
    await listener.until(() => listener.deliveries.length >= n, `delivery ${n}`)
  }
  /** Sends whatever is left to send, due or not. */
  const drain = () => simulator.control('POST', 'webhooks/deliver')
  /** Waits for attempts that ended without an answer. */
  const failed = async (w, n) => {
    const deadline = Date.now() + 5000
    while (Date.now() < deadline) {
      const mine = (await simulator.control('GET', 'webhooks/deliveries')).filter((d) => d.clientId === w.app.clientId && d.status === 0)
      if (mine.length >= n) return
    }
    assert.fail(`${n} failed attempt(s) did not come`)
  }
  it('a delivery that is answered with a 200 is not repeated', withListener(created, async (w, listener) => {
    await createContact(w)
    await came(listener)
    await simulator.advance('24h')
    await drain()
    assert.deepEqual(attempts(listener), [0])
  }))
  for (const status of [500, 404]) {
    it(`a delivery that is answered with a ${status} is repeated, with the next attempt number`, withListener(created, async (w, listener) => {
      listener.status = status
      await createContact(w)
      await came(listener)
      listener.status = 200
      await retry(listener, 2)
      assert.deepEqual(attempts(listener), [0, 1])
      assert.equal(listener.events[1].eventId, listener.events[0].eventId)
      assert.equal(listener.events[1].occurredAt, listener.events[0].occurredAt)
    }))
  }
  it('a repeated delivery is signed anew', withListener(created, async (w, listener) => {
    listener.status = 500
    await createContact(w)
    await came(listener)
    await retry(listener, 2)
    const [first, second] = listener.deliveries
    const time = (d) => Number(d.headers['x-hubspot-request-timestamp'])
    assert.ok(time(second) >= time(first))
    assert.notEqual(second.headers['x-hubspot-signature-v3'], first.headers['x-hubspot-signature-v3'])
    assert.equal(Signature.isValid({ signatureVersion: 'v3', signature: second.headers['x-hubspot-signature-v3'], clientSecret: w.app.clientSecret,
      requestBody: second.body, method: 'POST', url: listener.url, timestamp: time(second) }), true)
  }))
  it('a delivery without an answer is broken off after five seconds, and repeated', withListener(created, async (w, listener) => {
    listener.status = 0
    await createContact(w)
    await came(listener)
    const since = Date.now()
    await listener.until(() => listener.closed > 0, 'the end of the connection', 8000)
    // The five seconds are real ones, as a connection's are.
    assert.ok(Math.abs(Date.now() - since - 5000) < 1500, `after ${Date.now() - since} ms`)
    listener.status = 200
    await retry(listener, 2)
    assert.deepEqual(attempts(listener), [0, 1])
  }))
  it('a delivery that nobody takes is repeated', withListener(created, async (w, listener) => {
    const { port } = new URL(listener.url)
    await listener.stop()
    await createContact(w)
    await failed(w, 1)
    await listener.start(listener.path, Number(port))
    await retry(listener, 1)
    assert.deepEqual(attempts(listener), [1])
  }))
  it('a delivery is given up after ten repetitions within a day', withListener(created, async (w, listener) => {
    listener.status = 503
    await createContact(w)
    await came(listener)
    await retry(listener, 11)
    await drain()
    assert.deepEqual(attempts(listener), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  }))

  // What goes wrong with webhooks.

  it('an event can come twice, the same in all that identifies it', withListener(created, async (w, listener) => {
    await createContact(w)
    await came(listener, 2)
    const identity = (e) => [e.subscriptionId, e.objectId, e.propertyName, e.occurredAt]
    assert.deepEqual(identity(listener.events[0]), identity(listener.events[1]))
  }, { duplicates: 1 }))
  it('events can come in another order than they happened', withListener([{ subscriptionType: 'contact.propertyChange', propertyName: 'jobtitle' }], async (w, listener) => {
    const { id } = await w.seed('contacts', { email: 'ada@alder.example' })
    for (const jobtitle of ['First', 'Second', 'Third']) await w.crm.contacts.basicApi.update(id, { properties: { jobtitle } })
    await simulator.control('POST', 'webhooks/deliver')
    await came(listener, 3)
    assert.deepEqual(listener.events.map((e) => e.propertyValue), ['Third', 'Second', 'First'])
    const times = listener.events.map((e) => e.occurredAt)
    assert.deepEqual(times, [...times].sort((a, b) => b - a))
  }, { newestFirst: true, manual: true }))

  // The client's own configuration of a legacy app's webhooks.

  const developer = (w) => new hubspot.Client({ basePath: w.base, developerApiKey: w.app.developerApiKey }).webhooks
  it('the client sets the address and the subscriptions of an app, and its events come', withListener([], async (w, listener) => {
    const { settingsApi, subscriptionsApi } = developer(w)
    await settingsApi.configure(w.app.appId, { targetUrl: listener.url, throttling: { maxConcurrentRequests: 10 } })
    const made = await subscriptionsApi.create(w.app.appId, { eventType: 'contact.propertyChange', propertyName: 'jobtitle', active: true })
    assert.deepEqual([made.eventType, made.propertyName, made.active], ['contact.propertyChange', 'jobtitle', true])
    assert.equal((await settingsApi.getAll(w.app.appId)).targetUrl, listener.url)
    await createContact(w, { jobtitle: 'Buyer' })
    await came(listener)
    assert.deepEqual([listener.events[0].propertyValue, String(listener.events[0].subscriptionId)], ['Buyer', made.id])
  }))
  it('a subscription that is not active sends nothing', withListener([], async (w, listener) => {
    const { settingsApi, subscriptionsApi } = developer(w)
    await settingsApi.configure(w.app.appId, { targetUrl: listener.url, throttling: { maxConcurrentRequests: 10 } })
    const { id } = await subscriptionsApi.create(w.app.appId, { eventType: 'contact.creation', active: true })
    await subscriptionsApi.create(w.app.appId, { eventType: 'contact.deletion', active: true })
    await subscriptionsApi.update(Number(id), w.app.appId, { active: false })
    const contact = await createContact(w)
    await w.crm.contacts.basicApi.archive(contact.id)
    await came(listener)
    assert.deepEqual(listener.events.map((e) => e.subscriptionType), ['contact.deletion'])
  }))
  it("an app's webhooks are nobody else's to configure", withListener([], async (w) => {
    const stranger = new hubspot.Client({ basePath: w.base, developerApiKey: 'another' })
    await assert.rejects(stranger.webhooks.settingsApi.getAll(w.app.appId), (error) => error.code === 401)
  }))
}
