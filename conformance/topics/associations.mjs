// Associations: plain, typed, labelled, in batches.
import assert from 'node:assert/strict'
import { hubspot } from '../world.mjs'

/**
 * HubSpot's own types from one record type to another, without the primary and
 * the parent ones: associate-records guide, seen November 2026.
 */
const PLAIN_TYPES = {
  contacts: { contacts: 449, companies: 279, deals: 4, tickets: 15, meetings: 199, notes: 201, tasks: 203, calls: 193, emails: 197 },
  companies: { contacts: 280, companies: 450, deals: 342, tickets: 340, meetings: 187, notes: 189, tasks: 191, calls: 181, emails: 185 },
  deals: { contacts: 3, companies: 341, deals: 451, tickets: 27, meetings: 211, notes: 213, tasks: 215, calls: 205, emails: 209 },
  tickets: { contacts: 16, companies: 339, deals: 28, tickets: 452, meetings: 225, notes: 227, tasks: 229, calls: 219, emails: 223 },
  meetings: { contacts: 200, companies: 188, deals: 212, tickets: 226 },
  notes: { contacts: 202, companies: 190, deals: 214, tickets: 228 },
  tasks: { contacts: 204, companies: 192, deals: 216, tickets: 230 },
  calls: { contacts: 194, companies: 182, deals: 206, tickets: 220 },
  emails: { contacts: 198, companies: 186, deals: 210, tickets: 224 },
}
const PRIMARY_TYPES = [['contacts', 'companies', 1], ['companies', 'contacts', 2], ['deals', 'companies', 5], ['companies', 'deals', 6], ['companies', 'tickets', 25], ['tickets', 'companies', 26]]

const hubspotType = (associationTypeId) => ({ associationCategory: 'HUBSPOT_DEFINED', associationTypeId })
const userType = (associationTypeId) => ({ associationCategory: 'USER_DEFINED', associationTypeId })

export default async function associations({ it, world }) {
  const w = await world()
  const { basicApi, batchApi } = w.crm.associations.v4
  const labels = w.crm.associations.v4.schema.definitionsApi
  let number = 0
  const contact = async () => (await w.seed('contacts', { email: `a${++number}@alder.example` })).id
  const company = async () => (await w.seed('companies', { name: `Company ${++number}` })).id
  const deal = async () => (await w.seed('deals', { dealname: `Deal ${++number}`, dealstage: 'qualifiedtobuy' })).id
  /** The types between two records, as the list shows them. */
  async function types(from, fromID, to, toID) {
    const page = await basicApi.getPage(from, fromID, to)
    const row = page.results.find((r) => String(r.toObjectId) === toID)
    return row ? row.associationTypes.map((t) => t.typeId).sort((a, b) => a - b) : null
  }

  // One pair.

  it('a default association is a 200 with the envelope of a batch', async () => {
    const [a, b] = [await contact(), await company()]
    await basicApi.createDefault('contacts', a, 'companies', b)
    assert.equal(w.last.status, 200)
    assert.equal(w.last.body.status, 'COMPLETE')
  })
  it('a default association has the plain type, not the primary one', async () => {
    const [a, b] = [await contact(), await company()]
    await basicApi.createDefault('contacts', a, 'companies', b)
    assert.deepEqual(await types('contacts', a, 'companies', b), [279])
  })
  it('an association is seen from both ends, each with its own type', async () => {
    const [a, b] = [await contact(), await deal()]
    await basicApi.createDefault('contacts', a, 'deals', b)
    assert.deepEqual(await types('contacts', a, 'deals', b), [4])
    assert.deepEqual(await types('deals', b, 'contacts', a), [3])
  })
  it('the same default association again changes nothing', async () => {
    const [a, b] = [await contact(), await company()]
    for (let i = 0; i < 2; i++) await basicApi.createDefault('contacts', a, 'companies', b)
    const page = await basicApi.getPage('contacts', a, 'companies')
    assert.deepEqual(page.results.map((r) => r.associationTypes.length), [1])
  })
  it('a typed association is a 201 that names both ends', async () => {
    const [a, b] = [await contact(), await company()]
    await basicApi.create('contacts', a, 'companies', b, [hubspotType(279)])
    assert.equal(w.last.status, 201)
    const { fromObjectTypeId, fromObjectId, toObjectTypeId, toObjectId, labels: names } = w.last.body
    assert.deepEqual([fromObjectTypeId, String(fromObjectId), toObjectTypeId, String(toObjectId), names], ['0-1', a, '0-2', b, []])
  })
  it('the IDs of a typed association are text, and can be numbers, as the documents differ', async () => {
    for (const numericPairIds of [false, true]) {
      const other = await world({ settings: { noRateLimits: true, numericPairIds } })
      const [a, b] = [await other.seed('contacts', { lastname: 'A' }), await other.seed('companies', { name: 'B' })]
      await other.crm.associations.v4.basicApi.create('contacts', a.id, 'companies', b.id, [hubspotType(279)])
      assert.equal(typeof other.last.body.toObjectId, numericPairIds ? 'number' : 'string')
    }
  })
  it('the plain type accompanies the primary one', async () => {
    const [a, b] = [await contact(), await company()]
    await basicApi.create('contacts', a, 'companies', b, [hubspotType(1)])
    assert.deepEqual(await types('contacts', a, 'companies', b), [1, 279])
    assert.deepEqual(await types('companies', b, 'contacts', a), [2, 280])
  })
  it('the primary type has a label, the plain one none', async () => {
    const [a, b] = [await contact(), await company()]
    await basicApi.create('contacts', a, 'companies', b, [hubspotType(1)])
    await basicApi.getPage('contacts', a, 'companies')
    const byType = Object.fromEntries(w.last.body.results[0].associationTypes.map((t) => [t.typeId, [t.category, t.label]]))
    assert.deepEqual(byType, { 1: ['HUBSPOT_DEFINED', 'Primary'], 279: ['HUBSPOT_DEFINED', null] })
  })
  it('a second primary company takes the place of the first, which stays associated', async () => {
    const [a, first, second] = [await contact(), await company(), await company()]
    await basicApi.create('contacts', a, 'companies', first, [hubspotType(1)])
    await basicApi.create('contacts', a, 'companies', second, [hubspotType(1)])
    assert.deepEqual(await types('contacts', a, 'companies', first), [279])
    assert.deepEqual(await types('contacts', a, 'companies', second), [1, 279])
  })
  it('a type of another pair is refused', async () => {
    const [a, b] = [await contact(), await company()]
    const { status, body } = await w.refused(basicApi.create('contacts', a, 'companies', b, [hubspotType(4)]))
    assert.deepEqual([status, body.category], [400, 'VALIDATION_ERROR'])
    assert.equal(await types('contacts', a, 'companies', b), null)
  })
  it('a type of the other direction is refused', async () => {
    const [a, b] = [await contact(), await company()]
    assert.equal((await w.refused(basicApi.create('contacts', a, 'companies', b, [hubspotType(280)]))).status, 400)
  })
  it('an association with a record that is not there is refused', async () => {
    const { status } = await w.refused(basicApi.createDefault('contacts', await contact(), 'companies', '999'))
    assert.ok(status === 400 || status === 404, `status ${status}`)
  })
  it('deleting an association is a 204 and takes all its types at both ends', async () => {
    const [a, b] = [await contact(), await company()]
    await basicApi.create('contacts', a, 'companies', b, [hubspotType(1)])
    await basicApi.archive('contacts', a, 'companies', b)
    assert.equal(w.last.status, 204)
    assert.equal(await types('contacts', a, 'companies', b), null)
    assert.equal(await types('companies', b, 'contacts', a), null)
  })
  it('deleting an association that is not there is a 204', async () => {
    await basicApi.archive('contacts', await contact(), 'companies', await company())
    assert.equal(w.last.status, 204)
  })
  it('a list of associations goes on where after says', async () => {
    const d = await deal()
    const all = []
    for (let i = 0; i < 5; i++) {
      all.push(await contact())
      await basicApi.createDefault('deals', d, 'contacts', all[i])
    }
    const first = await basicApi.getPage('deals', d, 'contacts', undefined, 3)
    assert.equal(first.results.length, 3)
    const second = await basicApi.getPage('deals', d, 'contacts', first.paging.next.after, 3)
    assert.equal(second.paging, undefined)
    assert.deepEqual([...first.results, ...second.results].map((r) => String(r.toObjectId)).sort(), all.sort())
  })
  it('an archived record is gone from the associations of others', async () => {
    const [a, b] = [await contact(), await company()]
    await basicApi.createDefault('contacts', a, 'companies', b)
    await w.crm.companies.basicApi.archive(b)
    assert.equal(await types('contacts', a, 'companies', b), null)
  })
  it('a read of a record lists its associations, by the plural name of their type', async () => {
    const [a, b] = [await contact(), await company()]
    await basicApi.createDefault('contacts', a, 'companies', b)
    const read = await w.crm.contacts.basicApi.getById(a, undefined, undefined, ['companies'])
    assert.deepEqual(read.associations.companies.results.map((r) => r.id), [b])
    assert.match(read.associations.companies.results[0].type, /^contact_to_company/)
  })
  it('a record is created with its associations', async () => {
    const [a, b] = [await contact(), await company()]
    const made = await w.crm.objects.basicApi.create('meetings', { properties: { hs_timestamp: '2026-11-20T09:00:00Z' }, associations: [
      { to: { id: a }, types: [hubspotType(hubspot.AssociationTypes.meetingToContact)] }, { to: { id: b }, types: [hubspotType(hubspot.AssociationTypes.meetingToCompany)] }] })
    assert.deepEqual(await types('meetings', made.id, 'contacts', a), [200])
    assert.deepEqual(await types('companies', b, 'meetings', made.id), [187])
  })
  it('a create with an association type that is none writes nothing', async () => {
    const subject = 'Not to be made'
    const { status } = await w.refused(w.crm.tickets.basicApi.create({ properties: { subject, hs_pipeline: '0', hs_pipeline_stage: '1' },
      associations: [{ to: { id: await contact() }, types: [hubspotType(9999)] }] }))
    assert.equal(status, 400)
    assert.equal((await w.records('tickets')).some((r) => r.properties.subject === subject), false)
  })

  // The table of types.

  for (const [from, row] of Object.entries(PLAIN_TYPES)) {
    it(`the plain association types from ${from} are those of the table`, async () => {
      for (const [to, typeID] of Object.entries(row)) {
        await labels.getAll(from, to)
        const plain = w.last.body.results.filter((l) => l.label === null && l.category === 'HUBSPOT_DEFINED').map((l) => l.typeId)
        assert.deepEqual(plain, [typeID], `${from} to ${to}`)
      }
    })
  }
  it('the primary types are 1, 2, 5, 6, 25 and 26, and have a label', async () => {
    for (const [from, to, typeID] of PRIMARY_TYPES) {
      const { results } = await labels.getAll(from, to)
      assert.ok(results.find((l) => l.typeId === typeID)?.label, `${from} to ${to}`)
    }
  })
  it('companies are parent and child by 13 and 14', async () => {
    const [parent, child] = [await company(), await company()]
    await basicApi.create('companies', parent, 'companies', child, [hubspotType(13)])
    assert.ok((await types('companies', parent, 'companies', child)).includes(13))
    assert.ok((await types('companies', child, 'companies', parent)).includes(14))
  })
  it("the client's own enumeration of types agrees", async () => {
    const singular = { contacts: 'Contact', companies: 'Company', deals: 'Deal', tickets: 'Ticket', meetings: 'Meeting', notes: 'Note', tasks: 'Task' }
    let compared = 0
    for (const from of Object.keys(singular)) {
      for (const to of Object.keys(singular)) {
        const name = singular[from].toLowerCase() + 'To' + singular[to]
        const typeID = hubspot.AssociationTypes[name]
        if (typeID === undefined) continue
        const { results } = await labels.getAll(from, to)
        assert.ok(results.some((l) => l.typeId === typeID), `${name} is ${typeID}`)
        compared++
      }
    }
    assert.ok(compared >= 24, `only ${compared} names were compared`)
  })

  // Labels.

  it('a label is created with a type ID for each direction', async () => {
    const { results } = await labels.create('contacts', 'deals', { name: 'decides', label: 'Decides', inverseLabel: 'Decided by' })
    assert.equal(w.last.status, 200)
    assert.deepEqual(results.map((r) => [r.category, r.label]).sort(), [['USER_DEFINED', 'Decided by'], ['USER_DEFINED', 'Decides']])
    assert.notEqual(results[0].typeId, results[1].typeId)
  })
  it('a label is listed in its direction, its inverse in the other', async () => {
    await labels.create('contacts', 'tickets', { name: 'reports', label: 'Reports', inverseLabel: 'Reported by' })
    const there = (await labels.getAll('contacts', 'tickets')).results.map((l) => l.label)
    const back = (await labels.getAll('tickets', 'contacts')).results.map((l) => l.label)
    assert.deepEqual([there.includes('Reports'), there.includes('Reported by'), back.includes('Reported by')], [true, false, true])
  })
  const newLabel = async (name) => {
    const { results } = await labels.create('contacts', 'companies', { name, label: name.toUpperCase() })
    return results.find((r) => r.label === name.toUpperCase()).typeId
  }
  it('a labelled association answers with its labels and is accompanied by the plain type', async () => {
    const typeID = await newLabel('buyer')
    const [a, b] = [await contact(), await company()]
    const made = await basicApi.create('contacts', a, 'companies', b, [userType(typeID)])
    assert.deepEqual(made.labels, ['BUYER'])
    assert.deepEqual(await types('contacts', a, 'companies', b), [typeID, 279].sort((x, y) => x - y))
  })
  it('writing labels replaces those that were there', async () => {
    const [one, two] = [await newLabel('first'), await newLabel('then')]
    const [a, b] = [await contact(), await company()]
    await basicApi.create('contacts', a, 'companies', b, [userType(one)])
    await basicApi.create('contacts', a, 'companies', b, [userType(two)])
    assert.deepEqual(await types('contacts', a, 'companies', b), [two, 279].sort((x, y) => x - y))
  })
  it('two labels are written in one call', async () => {
    const [one, two] = [await newLabel('left'), await newLabel('right')]
    const [a, b] = [await contact(), await company()]
    const made = await basicApi.create('contacts', a, 'companies', b, [userType(one), userType(two)])
    assert.deepEqual([...made.labels].sort(), ['LEFT', 'RIGHT'])
  })
  it('a label of the account is not of HubSpot: the wrong category is refused', async () => {
    const typeID = await newLabel('category')
    assert.equal((await w.refused(basicApi.create('contacts', await contact(), 'companies', await company(), [hubspotType(typeID)]))).status, 400)
  })
  it('a label is renamed with a 204', async () => {
    const typeID = await newLabel('before')
    await labels.update('contacts', 'companies', { associationTypeId: typeID, label: 'Afterwards' })
    assert.equal(w.last.status, 204)
    assert.equal((await labels.getAll('contacts', 'companies')).results.find((l) => l.typeId === typeID).label, 'Afterwards')
  })
  it('a label is deleted with a 204, and its type is gone', async () => {
    const typeID = await newLabel('short_lived')
    const [a, b] = [await contact(), await company()]
    await basicApi.create('contacts', a, 'companies', b, [userType(typeID)])
    await labels.remove('contacts', 'companies', typeID)
    assert.equal(w.last.status, 204)
    assert.equal((await labels.getAll('contacts', 'companies')).results.some((l) => l.typeId === typeID), false)
    assert.deepEqual(await types('contacts', a, 'companies', b), [279])
    assert.equal((await w.refused(basicApi.create('contacts', a, 'companies', b, [userType(typeID)]))).status, 400)
  })
  it('a custom object is associated both ways', async () => {
    const schema = await w.crm.schemas.coreApi.create({
      name: 'crate', labels: { singular: 'Crate', plural: 'Crates' }, primaryDisplayProperty: 'code', requiredProperties: ['code'],
      searchableProperties: [], secondaryDisplayProperties: [], associatedObjects: ['0-1'], properties: [{ name: 'code', label: 'Code', type: 'string', fieldType: 'text' }] })
    const made = await w.crm.objects.basicApi.create(schema.objectTypeId, { properties: { code: 'C-1' } })
    const a = await contact()
    await basicApi.createDefault(schema.objectTypeId, made.id, 'contacts', a)
    assert.equal((await types(schema.objectTypeId, made.id, 'contacts', a)).length, 1)
    assert.equal((await types('contacts', a, schema.objectTypeId, made.id)).length, 1)
  })

  // Batches.

  const pair = (from, to) => ({ _from: { id: from }, to: { id: to } })

  it('a batch of default associations is a 200 and makes them all', async () => {
    const [d, a, b] = [await deal(), await contact(), await contact()]
    await batchApi.createDefault('deals', 'contacts', { inputs: [pair(d, a), pair(d, b)] })
    assert.equal(w.last.status, 200)
    assert.deepEqual([await types('deals', d, 'contacts', a), await types('deals', d, 'contacts', b)], [[3], [3]])
  })
  it('a batch of typed associations is a 201 and keeps their types', async () => {
    const [a, b] = [await contact(), await company()]
    await batchApi.create('contacts', 'companies', { inputs: [{ ...pair(a, b), types: [hubspotType(1)] }] })
    assert.equal(w.last.status, 201)
    assert.deepEqual(await types('contacts', a, 'companies', b), [1, 279])
  })
  it('a batch with a record that is not there is a 207 and makes the others', async () => {
    const [a, b] = [await contact(), await company()]
    await batchApi.create('contacts', 'companies', { inputs: [{ ...pair(a, b), types: [hubspotType(279)] }, { ...pair(a, '999'), types: [hubspotType(279)] }] })
    assert.equal(w.last.status, 207)
    assert.equal(w.last.body.numErrors, 1)
    assert.deepEqual(await types('contacts', a, 'companies', b), [279])
  })
  it('a batch read lists each record with its other ends', async () => {
    const [a, b, c] = [await contact(), await contact(), await company()]
    await batchApi.createDefault('contacts', 'companies', { inputs: [pair(a, c), pair(b, c)] })
    const out = await batchApi.getPage('contacts', 'companies', { inputs: [{ id: a }, { id: b }] })
    assert.equal(w.last.status, 200)
    const found = Object.fromEntries(out.results.map((r) => [r._from.id, r.to.map((t) => [String(t.toObjectId), t.associationTypes.map((x) => x.typeId)])]))
    assert.deepEqual(found, { [a]: [[c, [279]]], [b]: [[c, [279]]] })
  })
  it('a batch read is a 207 where a record has no associations', async () => {
    const [a, b, c] = [await contact(), await contact(), await company()]
    await basicApi.createDefault('contacts', a, 'companies', c)
    const out = await batchApi.getPage('contacts', 'companies', { inputs: [{ id: a }, { id: b }] })
    assert.equal(w.last.status, 207)
    assert.deepEqual(out.results.map((r) => r._from.id), [a])
    assert.equal(w.last.body.errors.length, 1)
  })
  it('a batch archive is a 204 and takes the associations away', async () => {
    const [a, b, c] = [await contact(), await company(), await company()]
    await batchApi.createDefault('contacts', 'companies', { inputs: [pair(a, b), pair(a, c)] })
    await batchApi.archive('contacts', 'companies', { inputs: [{ _from: { id: a }, to: [{ id: b }] }] })
    assert.equal(w.last.status, 204)
    assert.deepEqual([await types('contacts', a, 'companies', b), await types('contacts', a, 'companies', c)], [null, [279]])
  })
  it('a batch archive of labels takes the label and leaves the association', async () => {
    const typeID = await newLabel('removable')
    const [a, b] = [await contact(), await company()]
    await basicApi.create('contacts', a, 'companies', b, [userType(typeID)])
    await batchApi.archiveLabels('contacts', 'companies', { inputs: [{ ...pair(a, b), types: [userType(typeID)] }] })
    assert.equal(w.last.status, 204)
    assert.deepEqual(await types('contacts', a, 'companies', b), [279])
  })
  const manyPairs = (n) => ({ inputs: Array.from({ length: n }, (_, i) => ({ ...pair(String(i + 1), String(i + 1)), types: [hubspotType(279)] })) })
  it('a batch of 2,000 associations is taken, one of 2,001 refused', async () => {
    await batchApi.create('contacts', 'companies', manyPairs(2000))
    assert.equal(w.last.body.numErrors, 2000)
    assert.equal((await w.refused(batchApi.create('contacts', 'companies', manyPairs(2001)))).status, 400)
  })
  it('a batch read of 1,000 is taken, one of 1,001 refused', async () => {
    const many = (n) => ({ inputs: Array.from({ length: n }, (_, i) => ({ id: String(i + 1) })) })
    await batchApi.getPage('contacts', 'companies', many(1000))
    assert.equal(w.last.status, 207)
    assert.equal((await w.refused(batchApi.getPage('contacts', 'companies', many(1001)))).status, 400)
  })
}
