// Search: what it finds, how late, and where it ends.
import assert from 'node:assert/strict'

export default async function search({ it, world, simulator }) {
  const w = await world()
  const { contacts, companies, deals, objects } = w.crm
  const company = {}
  for (const [key, properties] of Object.entries({
    ash: { name: 'Ash Forge', domain: 'ashforge.example', city: 'Porto', numberofemployees: '40', industry: 'MANUFACTURING' },
    bay: { name: 'Bay Mill', domain: 'baymill.example', city: 'Lisbon', numberofemployees: '9', industry: 'RETAIL' },
    elm: { name: 'Elm & Ash', domain: 'elm.example', city: 'Faro', numberofemployees: '200' },
    oak: { name: 'Oak', domain: 'oak.example', numberofemployees: '100', industry: 'RETAIL' },
  })) company[key] = (await w.seed('companies', properties)).id

  const names = (ids) => ids.map((id) => Object.keys(company).find((key) => company[key] === id)).sort()
  /** Which companies the filters find; a list of lists is groups. */
  async function find(filters, more = {}) {
    const groups = Array.isArray(filters[0]) ? filters : [filters]
    const out = await companies.searchApi.doSearch({ filterGroups: groups.map((group) => ({ filters: group })), limit: 100, ...more })
    return names(out.results.map((r) => r.id))
  }
  const where = (propertyName, operator, value) => ({ propertyName, operator, ...(value === undefined ? {} : { value }) })
  const refused = async (body, type = 'companies') => {
    const { status, body: error } = await w.refused(objects.searchApi.doSearch(type, body))
    assert.equal(status, 400)
    return error
  }
  const groups = (n, filtersEach) => Array.from({ length: n }, () => ({ filters: Array.from({ length: filtersEach }, () => where('name', 'EQ', 'x')) }))

  // Operators.

  it('EQ finds equal values', async () => assert.deepEqual(await find([where('city', 'EQ', 'Porto')]), ['ash']))
  it('EQ does not look at capitals', async () => assert.deepEqual(await find([where('city', 'EQ', 'pORTO')]), ['ash']))
  it('EQ on an enumeration looks at capitals', async () => {
    assert.deepEqual(await find([where('industry', 'EQ', 'RETAIL')]), ['bay', 'oak'])
    assert.deepEqual(await find([where('industry', 'EQ', 'retail')]), [])
  })
  it('EQ compares numbers as numbers', async () => assert.deepEqual(await find([where('numberofemployees', 'EQ', '40.0')]), ['ash']))
  it('NEQ finds other values', async () => {
    const found = await find([where('city', 'NEQ', 'Porto')])
    assert.ok(found.includes('bay') && found.includes('elm') && !found.includes('ash'), found.join())
  })
  it('LT and LTE compare numbers, not text', async () => {
    assert.deepEqual(await find([where('numberofemployees', 'LT', '40')]), ['bay'])
    assert.deepEqual(await find([where('numberofemployees', 'LTE', '40')]), ['ash', 'bay'])
  })
  it('GT and GTE compare numbers, not text', async () => {
    assert.deepEqual(await find([where('numberofemployees', 'GT', '100')]), ['elm'])
    assert.deepEqual(await find([where('numberofemployees', 'GTE', '100')]), ['elm', 'oak'])
  })
  it('BETWEEN has both ends in it', async () => {
    assert.deepEqual(await find([{ propertyName: 'numberofemployees', operator: 'BETWEEN', value: '40', highValue: '100' }]), ['ash', 'oak'])
  })
  it('IN finds any of its values', async () => {
    assert.deepEqual(await find([{ propertyName: 'city', operator: 'IN', values: ['porto', 'faro'] }]), ['ash', 'elm'])
  })
  it('IN wants small letters for text', async () => {
    assert.deepEqual(await find([{ propertyName: 'city', operator: 'IN', values: ['Porto'] }]), [])
  })
  it('IN takes an enumeration as it is', async () => {
    assert.deepEqual(await find([{ propertyName: 'industry', operator: 'IN', values: ['RETAIL'] }]), ['bay', 'oak'])
  })
  it('NOT_IN leaves its values out', async () => {
    const found = await find([{ propertyName: 'city', operator: 'NOT_IN', values: ['porto', 'faro'] }])
    assert.ok(found.includes('bay') && !found.includes('ash') && !found.includes('elm'), found.join())
  })
  it('HAS_PROPERTY finds what is set', async () => assert.deepEqual(await find([where('city', 'HAS_PROPERTY')]), ['ash', 'bay', 'elm']))
  it('NOT_HAS_PROPERTY finds what is not set', async () => assert.deepEqual(await find([where('city', 'NOT_HAS_PROPERTY')]), ['oak']))
  it('CONTAINS_TOKEN finds a word', async () => assert.deepEqual(await find([where('name', 'CONTAINS_TOKEN', 'ash')]), ['ash', 'elm']))
  it('CONTAINS_TOKEN finds no part of a word without a star', async () => assert.deepEqual(await find([where('name', 'CONTAINS_TOKEN', 'forg')]), []))
  it('CONTAINS_TOKEN finds the beginning of a word with a star', async () => assert.deepEqual(await find([where('name', 'CONTAINS_TOKEN', 'forg*')]), ['ash']))
  it('NOT_CONTAINS_TOKEN leaves a word out', async () => assert.deepEqual(await find([where('name', 'NOT_CONTAINS_TOKEN', 'ash')]), ['bay', 'oak']))
  it('filters of a group all have to hold', async () => {
    assert.deepEqual(await find([where('name', 'CONTAINS_TOKEN', 'ash'), where('city', 'EQ', 'Faro')]), ['elm'])
  })
  it('of several groups one has to hold', async () => {
    assert.deepEqual(await find([[where('city', 'EQ', 'Porto')], [where('numberofemployees', 'LT', '10')]]), ['ash', 'bay'])
  })
  it('no filter finds everything', async () => assert.deepEqual(await find([], { filterGroups: [] }), ['ash', 'bay', 'elm', 'oak']))
  it('a query looks through the text of a record', async () => assert.deepEqual(await find([], { filterGroups: [], query: 'baymill' }), ['bay']))
  it('an unknown operator is refused', async () => {
    await refused({ filterGroups: [{ filters: [where('name', 'SOUNDS_LIKE', 'ash')] }] })
  })
  it('a filter on a property that does not exist is refused', async () => {
    await refused({ filterGroups: [{ filters: [where('favourite_fruit', 'EQ', 'quince')] }] })
  })
  it('records are found by what they are associated with', async () => {
    const contact = await w.seed('contacts', { email: 'kim@ashforge.example' }, { companies: [company.ash] })
    await w.seed('contacts', { email: 'lee@baymill.example' }, { companies: [company.bay] })
    const out = await contacts.searchApi.doSearch({ filterGroups: [{ filters: [where('associations.company', 'EQ', company.ash)] }] })
    assert.deepEqual(out.results.map((r) => r.id), [contact.id])
  })
  it('a time is compared as a time', async () => {
    const late = await w.seed('deals', { dealname: 'Late', dealstage: 'qualifiedtobuy', closedate: '2027-03-01T00:00:00Z' })
    await w.seed('deals', { dealname: 'Early', dealstage: 'qualifiedtobuy', closedate: '2026-03-01T00:00:00Z' })
    const out = await deals.searchApi.doSearch({ filterGroups: [{ filters: [where('closedate', 'GT', String(Date.UTC(2026, 11, 31)))] }] })
    assert.deepEqual(out.results.map((r) => r.id), [late.id])
  })

  // Order, properties, paging.

  it('results come oldest first', async () => {
    const out = await companies.searchApi.doSearch({ filterGroups: [] })
    assert.deepEqual(out.results.map((r) => r.id), [company.ash, company.bay, company.elm, company.oak])
  })
  it('a sort orders numbers as numbers', async () => {
    const order = async (direction) => {
      const { body } = await w.call('POST', '/crm/v3/objects/companies/search', { filterGroups: [], sorts: [{ propertyName: 'numberofemployees', direction }] })
      return body.results.map((r) => Object.keys(company).find((key) => company[key] === r.id))
    }
    assert.deepEqual(await order('ASCENDING'), ['bay', 'ash', 'oak', 'elm'])
    assert.deepEqual(await order('DESCENDING'), ['elm', 'oak', 'ash', 'bay'])
  })
  it('two sorts are refused', async () => {
    await refused({ filterGroups: [], sorts: ['name', 'city'].map((propertyName) => ({ propertyName, direction: 'ASCENDING' })) })
  })
  it('results have the properties that the search names', async () => {
    const out = await companies.searchApi.doSearch({ filterGroups: [{ filters: [where('name', 'EQ', 'Oak')] }], properties: ['city', 'numberofemployees'] })
    assert.deepEqual([out.results[0].properties.city, out.results[0].properties.numberofemployees], [null, '100'])
  })
  it('a search says how many there are in all', async () => {
    const out = await companies.searchApi.doSearch({ filterGroups: [], limit: 1 })
    assert.deepEqual([out.total, out.results.length], [4, 1])
  })
  it('a search gives ten results unless it is asked for more', async () => {
    const other = await world()
    for (let i = 0; i < 11; i++) await other.seed('contacts', { lastname: 'Ten' })
    const out = await other.crm.contacts.searchApi.doSearch({ filterGroups: [] })
    assert.deepEqual([out.total, out.results.length], [11, 10])
  })
  it('after is a number of results, and pages join without a gap', async () => {
    const first = await companies.searchApi.doSearch({ filterGroups: [], limit: 3 })
    assert.equal(first.paging.next.after, '3')
    const second = await companies.searchApi.doSearch({ filterGroups: [], limit: 3, after: first.paging.next.after })
    assert.deepEqual(names([...first.results, ...second.results].map((r) => r.id)), ['ash', 'bay', 'elm', 'oak'])
    assert.equal(second.paging, undefined)
  })

  // Caps.

  it('a page of 200 is taken, one of 201 refused', async () => {
    await companies.searchApi.doSearch({ filterGroups: [], limit: 200 })
    await refused({ filterGroups: [], limit: 201 })
  })
  it('five groups are taken, six refused', async () => {
    await companies.searchApi.doSearch({ filterGroups: groups(5, 1) })
    assert.equal((await refused({ filterGroups: groups(6, 1) })).category, 'VALIDATION_ERROR')
  })
  it('six filters in a group are taken, seven refused', async () => {
    await companies.searchApi.doSearch({ filterGroups: groups(1, 6) })
    assert.equal((await refused({ filterGroups: groups(1, 7) })).category, 'VALIDATION_ERROR')
  })
  it('eighteen filters in all are taken, nineteen refused', async () => {
    await companies.searchApi.doSearch({ filterGroups: groups(3, 6) })
    assert.equal((await refused({ filterGroups: [...groups(3, 6), ...groups(1, 1)] })).category, 'VALIDATION_ERROR')
  })
  it('a body of more than 3,000 characters is refused', async () => {
    const body = (length) => ({ filterGroups: [{ filters: [where('name', 'EQ', 'x'.repeat(length))] }] })
    const room = 3000 - JSON.stringify(body(0)).length
    assert.equal((await w.call('POST', '/crm/v3/objects/companies/search', body(room))).status, 200)
    assert.equal((await w.call('POST', '/crm/v3/objects/companies/search', body(room + 1))).status, 400)
  })
  it('results up to the 10,000th can be had, none beyond', async () => {
    await companies.searchApi.doSearch({ filterGroups: [], limit: 100, after: '9900' })
    await refused({ filterGroups: [], limit: 100, after: '10000' })
    await refused({ filterGroups: [], limit: 200, after: '9900' })
  })

  // Lag.

  it('a new record is unknown to search for a moment', async () => {
    const other = await world({ settings: { noRateLimits: true, searchLag: 5_000_000_000 } })
    const made = await other.crm.contacts.basicApi.create({ properties: { email: 'new@alder.example' } })
    const find = async () => (await other.crm.contacts.searchApi.doSearch({ filterGroups: [{ filters: [where('email', 'EQ', 'new@alder.example')] }] })).results.map((r) => r.id)
    assert.deepEqual(await find(), [])
    assert.equal((await other.crm.contacts.basicApi.getById('new@alder.example', undefined, undefined, undefined, false, 'email')).id, made.id)
    await simulator.advance('6s')
    assert.deepEqual(await find(), [made.id])
  })
  it('a changed record is found by its old value for a moment', async () => {
    const other = await world({ settings: { noRateLimits: true, searchLag: 5_000_000_000 } })
    const made = await other.crm.contacts.basicApi.create({ properties: { email: 'x@alder.example', lastname: 'Before' } })
    await simulator.advance('6s')
    await other.crm.contacts.basicApi.update(made.id, { properties: { lastname: 'After' } })
    const find = async (name) => (await other.crm.contacts.searchApi.doSearch({ filterGroups: [{ filters: [where('lastname', 'EQ', name)] }] })).total
    assert.deepEqual([await find('Before'), await find('After')], [1, 0])
    await simulator.advance('6s')
    assert.deepEqual([await find('Before'), await find('After')], [0, 1])
  })
  it('an archived record is never found', async () => {
    const gone = await w.seed('companies', { name: 'Gone', domain: 'gone.example' })
    await companies.basicApi.archive(gone.id)
    assert.equal((await companies.searchApi.doSearch({ filterGroups: [{ filters: [where('domain', 'EQ', 'gone.example')] }] })).total, 0)
  })
  it('notes, tasks and meetings are searched, too', async () => {
    const task = await w.seed('tasks', { hs_timestamp: '2026-11-27T09:00:00Z', hs_task_subject: 'Call the mill' })
    const out = await objects.searchApi.doSearch('tasks', { filterGroups: [{ filters: [where('hs_task_subject', 'EQ', 'Call the mill')] }] })
    assert.deepEqual(out.results.map((r) => r.id), [task.id])
  })
}
