// Many records in one call: all or nothing, or each for itself.
import assert from 'node:assert/strict'
import { ISO_TIME } from '../world.mjs'

export default async function batches({ it, world, simulator }) {
  const w = await world()
  const { contacts, companies, objects } = w.crm
  await simulator.control('POST', `portals/${w.hub}/properties/contacts`, { name: 'debrief_key', unique: true })
  await simulator.control('POST', `portals/${w.hub}/properties/companies`, { name: 'debrief_key', unique: true })
  let number = 0
  /** An address that no other check uses. */
  const address = () => `b${++number}@alder.example`
  const make = (inputs) => contacts.batchApi.create({ inputs: inputs.map((input) => ({ associations: [], ...input })) })
  const makeOne = async (properties = {}) => (await make([{ properties: { email: address(), ...properties } }])).results[0]
  const exists = async (email) => (await w.records('contacts')).some((r) => r.properties.email === email && !r.archived)
  const many = (n, each) => Array.from({ length: n }, (_, i) => each(i))

  // Create.

  it('a batch create is a 201 with every record', async () => {
    const [a, b] = [address(), address()]
    const made = await make([{ properties: { email: a } }, { properties: { email: b } }])
    assert.equal(w.last.status, 201)
    assert.deepEqual(made.results.map((r) => r.properties.email).sort(), [a, b].sort())
  })
  it('a batch answers with status COMPLETE and when it started and ended', async () => {
    await make([{ properties: { email: address() } }])
    assert.equal(w.last.body.status, 'COMPLETE')
    assert.match(w.last.body.startedAt, ISO_TIME)
    assert.match(w.last.body.completedAt, ISO_TIME)
  })
  it('without trace IDs one bad input fails the whole batch create', async () => {
    const good = address()
    const { status, body } = await w.refused(make([{ properties: { email: good } }, { properties: { favourite_fruit: 'quince' } }]))
    assert.deepEqual([status, body.category], [400, 'VALIDATION_ERROR'])
    assert.equal(await exists(good), false)
  })
  it('without trace IDs a duplicate fails the whole batch with a 409 that names the first only', async () => {
    const [first, second] = [await makeOne(), await makeOne()]
    const good = address()
    const { status, body } = await w.refused(make([
      { properties: { email: good } }, { properties: { email: first.properties.email } }, { properties: { email: second.properties.email } }]))
    assert.deepEqual([status, body.category, body.message], [409, 'CONFLICT', `Contact already exists. Existing ID: ${first.id}`])
    assert.equal(await exists(good), false)
  })
  it('with a trace ID on every input a batch create is a 207, and the good ones are made', async () => {
    const good = address()
    const out = await make([
      { properties: { email: good }, objectWriteTraceId: 't-1' }, { properties: { favourite_fruit: 'quince' }, objectWriteTraceId: 't-2' }])
    assert.equal(w.last.status, 207)
    assert.deepEqual(out.results.map((r) => r.properties.email), [good])
    assert.equal(await exists(good), true)
  })
  it('an error of a 207 carries the trace ID of its input, its category and a message', async () => {
    await make([
      { properties: { email: address() }, objectWriteTraceId: 't-1' }, { properties: { favourite_fruit: 'quince' }, objectWriteTraceId: 't-2' }])
    const { numErrors, errors } = w.last.body
    assert.equal(numErrors, 1)
    assert.equal(errors.length, 1)
    assert.deepEqual([errors[0].status, errors[0].category, errors[0].context.objectWriteTraceId], ['error', 'VALIDATION_ERROR', ['t-2']])
    assert.match(errors[0].message, /favourite_fruit/)
  })
  it('a record of a batch create carries its trace ID', async () => {
    await make([{ properties: { email: address() }, objectWriteTraceId: 'trace-a' }, { properties: { email: address() }, objectWriteTraceId: 'trace-b' }])
    assert.deepEqual(w.last.body.results.map((r) => r.objectWriteTraceId).sort(), ['trace-a', 'trace-b'])
  })
  it('a trace ID is no idempotency key: sent again, it creates again', async () => {
    const input = { properties: { name: 'Twice' }, associations: [], objectWriteTraceId: 'same' }
    const ids = []
    for (let i = 0; i < 2; i++) ids.push((await companies.batchApi.create({ inputs: [input] })).results[0].id)
    assert.notEqual(ids[0], ids[1])
  })
  it('trace IDs that are not unique do not part a batch create', async () => {
    const good = address()
    const { status } = await w.refused(make([
      { properties: { email: good }, objectWriteTraceId: 'same' }, { properties: { favourite_fruit: 'quince' }, objectWriteTraceId: 'same' }]))
    assert.equal(status, 400)
    assert.equal(await exists(good), false)
  })
  it('a trace ID on some inputs only does not part a batch create', async () => {
    const good = address()
    const { status } = await w.refused(make([{ properties: { email: good }, objectWriteTraceId: 't-1' }, { properties: { favourite_fruit: 'quince' } }]))
    assert.equal(status, 400)
    assert.equal(await exists(good), false)
  })
  it('the same address twice in one batch create makes no two contacts', async () => {
    const email = address()
    const { status } = await w.refused(make([{ properties: { email } }, { properties: { email } }]))
    assert.ok(status === 409 || status === 400, `status ${status}`)
    assert.equal(await exists(email), false)
  })
  it('a batch create associates what it makes', async () => {
    const company = (await companies.batchApi.create({ inputs: [{ properties: { name: 'Sorrel' }, associations: [] }] })).results[0]
    const made = await make([{ properties: { email: address() },
      associations: [{ to: { id: company.id }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 279 }] }] }])
    const page = await w.crm.associations.v4.basicApi.getPage('contacts', made.results[0].id, 'companies')
    assert.deepEqual(page.results.map((r) => String(r.toObjectId)), [company.id])
  })
  it('a batch of 100 is taken', async () => {
    const made = await make(many(100, () => ({ properties: { email: address() } })))
    assert.equal(made.results.length, 100)
  })
  it('a batch create of 101 is refused, and makes nothing', async () => {
    const inputs = many(101, () => ({ properties: { email: address() } }))
    assert.equal((await w.refused(make(inputs))).status, 400)
    assert.equal(await exists(inputs[0].properties.email), false)
  })

  // Read.

  const read = (inputs, more = {}, archived) =>
    contacts.batchApi.read({ inputs: inputs.map((id) => ({ id })), properties: ['email'], propertiesWithHistory: [], ...more }, archived)

  it('a batch read is a 200 with every record and the properties that it names', async () => {
    const [a, b] = [await makeOne({ jobtitle: 'Buyer' }), await makeOne()]
    const out = await read([a.id, b.id], { properties: ['jobtitle'] })
    assert.equal(w.last.status, 200)
    const byID = Object.fromEntries(out.results.map((r) => [r.id, r.properties.jobtitle]))
    assert.deepEqual(byID, { [a.id]: 'Buyer', [b.id]: null })
  })
  it('a batch read with IDs that are not there is a 207 that lists them', async () => {
    const made = await makeOne()
    const out = await read([made.id, '998', '999'])
    assert.equal(w.last.status, 207)
    assert.deepEqual(out.results.map((r) => r.id), [made.id])
    const [error] = w.last.body.errors
    assert.equal(error.category, 'OBJECT_NOT_FOUND')
    assert.equal(error.message, 'Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid.')
    assert.deepEqual(error.context.ids, ['998', '999'])
  })
  it('a batch read finds contacts by their addresses through idProperty', async () => {
    const [a, b] = [await makeOne(), await makeOne()]
    const out = await read([a.properties.email, b.properties.email, 'nobody@alder.example'], { idProperty: 'email' })
    assert.deepEqual(out.results.map((r) => r.id).sort(), [a.id, b.id].sort())
    assert.deepEqual(w.last.body.errors[0].context.ids, ['nobody@alder.example'])
  })
  it('a batch read leaves archived records out, and finds them with archived=true', async () => {
    const made = await makeOne()
    await contacts.basicApi.archive(made.id)
    assert.equal((await read([made.id])).results.length, 0)
    assert.deepEqual((await read([made.id], {}, true)).results.map((r) => r.id), [made.id])
  })
  it('a batch read gives the history of properties', async () => {
    const made = await makeOne({ jobtitle: 'Buyer' })
    await read([made.id], { propertiesWithHistory: ['jobtitle'] })
    assert.deepEqual(w.last.body.results[0].propertiesWithHistory.jobtitle.map((v) => v.value), ['Buyer'])
  })
  it('a batch read of 101 is refused', async () => {
    assert.equal((await w.refused(read(many(101, (i) => String(i + 1))))).status, 400)
  })

  // Update.

  const update = (inputs) => contacts.batchApi.update({ inputs })

  it('a batch update is a 200 and changes every record', async () => {
    const [a, b] = [await makeOne(), await makeOne()]
    await update([{ id: a.id, properties: { lastname: 'One' } }, { id: b.id, properties: { lastname: 'Two' } }])
    assert.equal(w.last.status, 200)
    const out = await read([a.id, b.id], { properties: ['lastname'] })
    assert.deepEqual(Object.fromEntries(out.results.map((r) => [r.id, r.properties.lastname])), { [a.id]: 'One', [b.id]: 'Two' })
  })
  it('a batch update with an ID that is not there is a 207 and changes the others', async () => {
    const made = await makeOne()
    const out = await update([{ id: made.id, properties: { lastname: 'There' } }, { id: '999', properties: { lastname: 'Gone' } }])
    assert.equal(w.last.status, 207)
    assert.deepEqual(out.results.map((r) => r.id), [made.id])
    assert.deepEqual([w.last.body.errors[0].category, w.last.body.errors[0].context.ids], ['OBJECT_NOT_FOUND', ['999']])
  })
  it('an error of a batch update names the trace ID of its input', async () => {
    const made = await makeOne()
    await update([
      { id: made.id, properties: { lastname: 'There' }, objectWriteTraceId: 'u-1' }, { id: '999', properties: { lastname: 'Gone' }, objectWriteTraceId: 'u-2' }])
    assert.deepEqual(w.last.body.errors[0].context.objectWriteTraceId, ['u-2'])
  })
  it('a batch update finds its records by address through idProperty', async () => {
    const made = await makeOne()
    const out = await update([{ id: made.properties.email, idProperty: 'email', properties: { lastname: 'Found' } }])
    assert.deepEqual(out.results.map((r) => r.id), [made.id])
  })
  it('without trace IDs a bad property fails the whole batch update', async () => {
    const made = await makeOne({ lastname: 'Before' })
    const other = await makeOne()
    const { status } = await w.refused(update([{ id: made.id, properties: { lastname: 'After' } }, { id: other.id, properties: { favourite_fruit: 'quince' } }]))
    assert.equal(status, 400)
    assert.equal((await read([made.id], { properties: ['lastname'] })).results[0].properties.lastname, 'Before')
  })
  it('a batch update of 101 is refused', async () => {
    assert.equal((await w.refused(update(many(101, (i) => ({ id: String(i + 1), properties: {} }))))).status, 400)
  })

  // Upsert.

  const upsert = (inputs) => contacts.batchApi.upsert({ inputs })

  it('an upsert by a unique property creates what is not there and says that it is new', async () => {
    const out = await upsert([{ id: 'u-1', idProperty: 'debrief_key', properties: { lastname: 'New' } }])
    assert.equal(w.last.status, 200)
    assert.equal(out.results[0]._new, true)
    assert.equal(w.last.body.results[0].new, true)
    assert.equal((await contacts.basicApi.getById('u-1', undefined, undefined, undefined, false, 'debrief_key')).id, out.results[0].id)
  })
  it('an upsert updates what is there and says that it is not new', async () => {
    const made = await makeOne({ debrief_key: 'u-2', lastname: 'Before' })
    const out = await upsert([{ id: 'u-2', idProperty: 'debrief_key', properties: { lastname: 'After' } }])
    assert.deepEqual(out.results.map((r) => [r.id, w.last.body.results[0].new]), [[made.id, false]])
    assert.equal((await contacts.basicApi.getById(made.id)).properties.lastname, 'After')
  })
  it('the same upsert again makes no second record', async () => {
    const input = { id: 'c-1', idProperty: 'debrief_key', properties: { name: 'Once' } }
    const ids = []
    for (let i = 0; i < 3; i++) ids.push((await companies.batchApi.upsert({ inputs: [input] })).results[0].id)
    assert.equal(new Set(ids).size, 1)
  })
  it('an upsert of contacts goes by e-mail address', async () => {
    const made = await makeOne()
    const fresh = address()
    await upsert([
      { id: made.properties.email, idProperty: 'email', properties: { lastname: 'Known' } }, { id: fresh, idProperty: 'email', properties: { lastname: 'Fresh' } }])
    const byEmail = Object.fromEntries(w.last.body.results.map((r) => [r.properties.email, r.new]))
    assert.deepEqual(byEmail, { [made.properties.email]: false, [fresh]: true })
  })
  it('an upsert by e-mail address is all or nothing, trace IDs or not', async () => {
    const fresh = address()
    const { status } = await w.refused(upsert([
      { id: fresh, idProperty: 'email', properties: { lastname: 'Fresh' }, objectWriteTraceId: 'e-1' },
      { id: address(), idProperty: 'email', properties: { favourite_fruit: 'quince' }, objectWriteTraceId: 'e-2' }]))
    assert.equal(status, 400)
    assert.equal(await exists(fresh), false)
  })
  it('an upsert by a unique property with trace IDs is a 207, and does what it can', async () => {
    const out = await upsert([
      { id: 'p-1', idProperty: 'debrief_key', properties: { lastname: 'Good' }, objectWriteTraceId: 'p-1' },
      { id: 'p-2', idProperty: 'debrief_key', properties: { favourite_fruit: 'quince' }, objectWriteTraceId: 'p-2' }])
    assert.equal(w.last.status, 207)
    assert.equal(out.results.length, 1)
    assert.deepEqual(w.last.body.errors[0].context.objectWriteTraceId, ['p-2'])
  })
  it('an upsert by a property that is not unique is refused', async () => {
    assert.equal((await w.refused(upsert([{ id: 'Reyes', idProperty: 'lastname', properties: {} }]))).status, 400)
  })
  it('an upsert of 101 is refused', async () => {
    assert.equal((await w.refused(upsert(many(101, (i) => ({ id: `m-${i}`, idProperty: 'debrief_key', properties: {} }))))).status, 400)
  })

  // Archive, and the generic paths.

  it('a batch archive is a 204 and archives every record', async () => {
    const [a, b] = [await makeOne(), await makeOne()]
    await contacts.batchApi.archive({ inputs: [{ id: a.id }, { id: b.id }] })
    assert.equal(w.last.status, 204)
    assert.equal((await read([a.id, b.id])).results.length, 0)
  })
  it('a batch archive is a 204 whatever there was to archive', async () => {
    const made = await makeOne()
    for (let i = 0; i < 2; i++) {
      await contacts.batchApi.archive({ inputs: [{ id: made.id }, { id: '999' }] })
      assert.equal(w.last.status, 204)
    }
  })
  it('a batch archive of 101 is refused', async () => {
    assert.equal((await w.refused(contacts.batchApi.archive({ inputs: many(101, (i) => ({ id: String(i + 1) })) }))).status, 400)
  })
  it('tasks, notes and meetings are made and read in batches', async () => {
    for (const type of ['tasks', 'notes', 'meetings']) {
      const made = await objects.batchApi.create(type, { inputs: many(2, () => ({ properties: { hs_timestamp: '2026-11-20T09:00:00Z' }, associations: [] })) })
      const out = await objects.batchApi.read(type, { inputs: made.results.map(({ id }) => ({ id })), properties: [], propertiesWithHistory: [] })
      assert.deepEqual(out.results.map((r) => r.id).sort(), made.results.map((r) => r.id).sort())
    }
  })
  it('the message of a batch names its own type of record', async () => {
    await w.crm.deals.batchApi.read({ inputs: [{ id: '999' }], properties: [], propertiesWithHistory: [] })
    assert.match(w.last.body.errors[0].message, /^Could not get some DEAL objects/)
  })
}
