// The flows of tests/six, whole: webhooks in as the vendors sign them, calls out to a server that stands for all vendors,
// what arrives there compared; and for each flow the fault that matters most to it.
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { http, root, Tieline, tieline, until } from './support.mjs';
import { hubspot, shopify, stripe } from './sign.mjs';
import { Counter, sink } from './vendors.mjs';

const source = join(root, 'tests/six');
const env = {
  NETSUITE_TOKEN: 'netsuite-token',
  QUICKBOOKS_TOKEN: 'quickbooks-token',
  EASYPOST_SECRET: 'easypost secret',
  BAMBOOHR_KEY: 'bamboohr-key',
  BAMBOOHR_SECRET: 'bamboohr private key',
  GOOGLE_TOKEN: 'google-token',
  ASANA_TOKEN: 'asana-token',
  WAREHOUSE_KEY: 'warehouse-key',
};
const kCalled = ['shopify', 'hubspot', 'stripe', 'netsuite', 'quickbooks', 'bamboohr', 'google', 'asana', 'warehouse'];

// F29 reads in every test.
const kNothingToRead = {
  'GET /hubspot/crm/v3/objects/contacts': () => ({ body: { results: [] } }),
  'GET /shopify/customers.json': () => ({ body: { customers: [] } }),
};

// The workspace with its connections at one server, under /NAME; `answers` are functions by "METHOD /NAME/path". Waits
// are short; `change` may change a flow's text.
async function setting(t, ownAnswers, change = (text) => text) {
  const answers = { ...kNothingToRead, ...ownAnswers };
  const unknown = [];
  const vendors = await sink(t, (request) => {
    const answer = answers[`${request.method} ${request.path}`];
    if (!answer) unknown.push(`${request.method} ${request.path}`);
    return answer ? answer(request) : { status: 501, body: { message: 'the test does not know this' } };
  });
  const dir = mkdtempSync(join(tmpdir(), 'tieline-six-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  cpSync(source, dir, { recursive: true });
  for (const name of kCalled)
    appendFileSync(join(dir, 'connections', `${name}.yaml`), `base_url: ${vendors.url}/${name}\nprivate_addresses: true\n`);
  const main = readFileSync(join(dir, 'tieline.yaml'), 'utf8');
  writeFileSync(join(dir, 'tieline.yaml'), main.replace(/^listen:.*$/m, 'listen: { hooks: "127.0.0.1:0", admin: "127.0.0.1:0" }'));
  for (const file of readdirSync(join(dir, 'flows'))) {
    const path = join(dir, 'flows', file);
    const text = readFileSync(path, 'utf8').replace('wait: 10m', 'wait: 1s, for: 1h');
    writeFileSync(path, `${change(text)}retry: { first: 20ms, max: 100ms }\n`);
  }
  const program = await Tieline.start(t, dir, { env });
  const sent = (key) => vendors.requests.filter(({ method, path }) => `${method} ${path}` === key);
  const ended = (flow, state, count = 1) =>
    until(
      `${count} of ${flow} ${state}`,
      async () => {
        const runs = await program.runs({ flow, state });
        return runs.length === count && runs;
      },
      { describe: async () => JSON.stringify([await program.runs({ flow }), unknown]) },
    );
  return { dir, vendors, program, sent, ended };
}

const hex = (secret, text) => createHmac('sha256', secret).update(text).digest('hex');
const json = { 'Content-Type': 'application/json' };
const easypost = (body) => ({
  body,
  headers: { ...json, 'X-Hmac-Signature': `hmac-sha256-hex=${hex(env.EASYPOST_SECRET, body)}` },
});
function bamboohr(body) {
  const at = new Date().toISOString();
  const signature = hex(env.BAMBOOHR_SECRET, body + at);
  return { body, headers: { ...json, 'X-BambooHR-Timestamp': at, 'X-BambooHR-Signature': signature } };
}
async function post(program, connection, signed) {
  const answer = await program.post(connection, signed);
  assert.equal(answer.status, 200, answer.body);
}
const admin = (program, path, body) =>
  http(program.admin + path, {
    method: 'POST',
    headers: { ...json, 'X-Tieline': '1' },
    body: JSON.stringify(body),
  });

test('check finds nothing wrong', async () => {
  const checked = await tieline(['check', source], { env });
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  assert.match(checked.stdout, /^ok: 6 flows, 10 connections\nsyncs\/f29\/hubspot.contacts: `0 3 \* \* 0` in Europe\/Berlin comes next at/);
  // As F29 is written: Shopify's customers without `full`.
  assert.match(checked.stderr, /^[^\n]*flows\/f29.yaml:4:13: warning: only a reading of all of "shopify.customers" finds what is gone[^\n]*\n[^\n]*\n[^\n]*\n$/);
});

test('F0: an order becomes a deal; a call that fails is the only one that is repeated', { timeout: 60_000 }, async (t) => {
  let fails = 1;
  const { program, sent, ended } = await setting(t, {
    'POST /hubspot/crm/v3/objects/contacts/search': ({ json }) => {
      const email = json.filterGroups[0].filters[0].value;
      return { body: { results: email === 'ada@example.com' ? [{ id: 'c1' }] : [] } };
    },
    'POST /hubspot/crm/v3/objects/0-3/batch/upsert': ({ json }) => ({
      body: { results: [{ id: 'd1', properties: json.inputs[0].properties }] },
    }),
    'PUT /hubspot/crm/v4/objects/deals/d1/associations/default/contacts/c1': () =>
      fails-- > 0 ? { status: 503 } : { body: { results: [{}] } },
  });
  const order = (id, email, more = {}) =>
    JSON.stringify({
      admin_graphql_api_id: `gid://shopify/Order/${id}`, order_number: id, email, current_total_price: '47.80',
      created_at: '2026-11-23T10:00:00Z', updated_at: '2026-11-23T10:00:01Z', customer: { id }, ...more,
    });
  await post(program, 'shopify', shopify('orders/create', order(1042, 'Ada@Example.com')));
  await post(program, 'shopify', shopify('orders/create', order(1043, 'nobody@example.com')));
  await post(program, 'shopify', shopify('orders/create', order(1044, 'ada@example.com', { test: true })));
  await ended('f0', 'delivered');
  await ended('f0', 'skipped', 2);
  const deals = sent('POST /hubspot/crm/v3/objects/0-3/batch/upsert');
  assert.deepEqual(deals.map(({ json }) => json.inputs), [
    [{
      idProperty: 'shopify_order_id',
      id: 'gid://shopify/Order/1042',
      properties: {
        shopify_order_id: 'gid://shopify/Order/1042', dealname: 'Order 1042', amount: '47.80', pipeline: 'default',
        dealstage: 'closedwon', closedate: '2026-11-23T10:00:00Z',
      },
    }],
  ]);
  assert.equal(sent('PUT /hubspot/crm/v4/objects/deals/d1/associations/default/contacts/c1').length, 2);
});

test('F0: with a wait in place of the skip the order waits for its contact, over a kill', { timeout: 60_000 }, async (t) => {
  let there = false;
  const answers = {
    'POST /hubspot/crm/v3/objects/contacts/search': () => ({ body: { results: there ? [{ id: 'c1' }] : [] } }),
    'POST /hubspot/crm/v3/objects/0-3/batch/upsert': () => ({ body: { results: [{ id: 'd1', properties: {} }] } }),
    'PUT /hubspot/crm/v4/objects/deals/d1/associations/default/contacts/c1': () => ({ body: { results: [{}] } }),
  };
  const waits = (text) => text.replace('empty: skip', 'empty: { wait: 1s, for: 1h }');
  const { dir, program, vendors, sent, ended } = await setting(t, answers, waits);
  const order = { admin_graphql_api_id: 'gid://shopify/Order/1', order_number: 1, email: 'new@example.com', customer: { id: 1 } };
  await post(program, 'shopify', shopify('orders/create', JSON.stringify(order)));
  const [waiting] = await ended('f0', 'retrying');
  assert.match(waiting.summary, /^hubspot\.contacts\.search: found nothing/);
  await program.stop('SIGKILL');
  const next = await Tieline.start(t, dir, { env });
  const searches = () => sent('POST /hubspot/crm/v3/objects/contacts/search').length;
  await vendors.until('it is asked again', () => searches() >= 2);
  there = true;
  await until('it is there', async () => (await next.runs({ flow: 'f0', state: 'delivered' })).length === 1);
  assert.equal(sent('POST /hubspot/crm/v3/objects/0-3/batch/upsert').length, 1);
  const asked = searches();
  assert.ok(asked >= 3, `${asked}`);
});

// Deals with these amounts, all of company 77, and what else F8 asks for.
function won(amounts) {
  const saved = (type) => ({ status: 204, body: '', headers: { Location: `https://example.com/record/v1/${type}` } });
  const answers = {
    'POST /hubspot/crm/v3/objects/line_items/batch/read': ({ json }) => ({
      body: {
        status: 'COMPLETE',
        results: json.inputs.map(({ id }) => ({ id, properties: { name: `item ${id}`, quantity: '2', amount: '19.90' } })),
      },
    }),
    'GET /hubspot/crm/v3/objects/companies/77': () => ({ body: { id: '77', properties: { name: 'Acme' } } }),
    'PUT /netsuite/record/v1/customer/eid:hs-77': () => saved('customer/881'),
  };
  for (const [id, amount] of Object.entries(amounts)) {
    answers[`GET /hubspot/crm/v3/objects/0-3/${id}`] = () => ({
      body: {
        id,
        properties: { dealstage: 'closedwon', amount },
        associations: { companies: { results: [{ id: '77', type: 'deal_to_company' }] }, 'line items': { results: [{ id: '5' }] } },
      },
    });
    answers[`PUT /netsuite/record/v1/invoice/eid:hs-deal-${id}`] = () => saved(`invoice/9${id}`);
    answers[`PATCH /hubspot/crm/v3/objects/0-3/${id}`] = ({ json }) => ({ body: { id, properties: json.properties } });
  }
  return answers;
}
const stage = (id, value) => ({
  eventId: id, subscriptionId: 1, portalId: 1, appId: 1, occurredAt: Date.now(), subscriptionType: 'deal.propertyChange',
  objectId: id, propertyName: 'dealstage', propertyValue: value,
});

test('F8: a won deal becomes an invoice; over 50,000 a person says so, over a kill', { timeout: 60_000 }, async (t) => {
  const first = await setting(t, won({ 1: '1200.00', 2: '75000', 3: '80000' }));
  const { dir, vendors, sent, ended } = first;
  let { program } = first;
  const hook = (...items) => hubspot('https://hooks.example.com/hooks/hubspot', JSON.stringify(items));
  await post(program, 'hubspot', hook(stage(1, 'closedwon'), stage(4, 'qualifiedtobuy')));
  await ended('f8', 'delivered');
  await ended('f8', 'skipped');
  await post(program, 'hubspot', hook(stage(2, 'closedwon'), stage(3, 'closedwon')));
  const waiting = await ended('f8', 'waiting', 2);
  const invoices = () => vendors.requests.filter(({ path }) => path.startsWith('/netsuite/record/v1/invoice')).map(({ path }) => path);
  assert.deepEqual(invoices(), ['/netsuite/record/v1/invoice/eid:hs-deal-1']);

  await program.stop('SIGKILL');
  program = await Tieline.start(t, dir, { env });
  const runs = async (state) => program.runs({ flow: 'f8', state });
  for (const [i, answer] of ['approved', 'declined'].entries()) {
    const said = await admin(program, `/api/held/${waiting[i].run}`, { answer, by: 'finance' });
    assert.equal(said.status, 200, said.body);
  }
  await until('both are answered', async () => (await runs('delivered')).length === 2 && (await runs('skipped')).length === 2);
  assert.deepEqual(invoices().slice(1), ['/netsuite/record/v1/invoice/eid:hs-deal-2']);
  const [invoice] = sent('PUT /netsuite/record/v1/invoice/eid:hs-deal-1');
  assert.deepEqual(invoice.json, {
    entity: { id: '881' },
    item: { items: [{ description: 'item 5', quantity: 2, amount: 19.9 }] },
  });
  // The customer is made once: the link is known to the later deals, over the kill.
  assert.deepEqual(sent('PUT /netsuite/record/v1/customer/eid:hs-77').map(({ json }) => json), [{ companyName: 'Acme' }]);
  assert.deepEqual(sent('PATCH /hubspot/crm/v3/objects/0-3/1').map(({ json }) => json.properties), [{ netsuite_invoice: '91' }]);
});

test('F11: a payout becomes a deposit, once; of its pages only the one that failed is repeated', { timeout: 60_000 }, async (t) => {
  let fails = 1;
  const line = (id, reporting_category, amount, fee) => ({ id, type: reporting_category, reporting_category, amount, fee });
  const { program, sent, ended } = await setting(t, {
    'GET /stripe/v1/balance_transactions': ({ query }) => {
      if (query.get('payout') !== 'po_1') return { body: { data: [line('t9', 'charge', 500, 15)], has_more: false } };
      if (!query.has('starting_after'))
        return { body: { data: [line('t1', 'payout', -1873, 0), line('t2', 'charge', 2000, 88)], has_more: true } };
      assert.equal(query.get('starting_after'), 't2');
      if (fails-- > 0) return { status: 500 };
      return { body: { data: [line('t3', 'refund', -200, 0), line('t4', 'charge', 161, 0)], has_more: false } };
    },
    'POST /quickbooks/deposit': () => ({ body: { Deposit: { Id: '7' } } }),
  });
  const payout = (event, id, amount) =>
    JSON.stringify({
      id: event, type: 'payout.paid', created: 1790000000,
      data: { object: { id, amount, currency: 'usd', arrival_date: 1790035200 } },
    });
  await post(program, 'stripe', stripe(payout('evt_1', 'po_1', 1873)));
  await ended('f11', 'delivered');
  await post(program, 'stripe', stripe(payout('evt_2', 'po_1', 1873))); // the same payout in another event
  await ended('f11', 'delivered', 2);
  await post(program, 'stripe', stripe(payout('evt_3', 'po_2', 500)));
  const [dead] = await ended('f11', 'dead');
  assert.match(dead.summary, /the payout does not add up to its transactions/);
  const pages = sent('GET /stripe/v1/balance_transactions').map(({ query }) => query.get('starting_after') ?? query.get('payout'));
  assert.deepEqual(pages, ['po_1', 't2', 't2', 'po_1', 't2', 'po_2']);
  assert.deepEqual(sent('POST /quickbooks/deposit').map(({ raw }) => raw), [
    '{"TxnDate":"2026-09-22","PrivateNote":"Stripe po_1","Line":[{"Amount":20.73,"AccountRef":"4000"},{"Amount":-2.00,"AccountRef":"4100"}]}',
  ]);
});

test('F17: a parcel becomes a fulfilment when its link is there; a lost answer is repeated', { timeout: 60_000 }, async (t) => {
  let lost = 1;
  const open = new Set(['gid://shopify/FulfillmentOrder/1']);
  const { program, sent, ended } = await setting(t, {
    'POST /shopify/graphql.json': ({ json: { query, variables } }) => {
      if (query.startsWith('query')) {
        assert.equal(variables.order, 'gid://shopify/Order/5001');
        const nodes = ['1', '2'].map((id) => `gid://shopify/FulfillmentOrder/${id}`);
        return {
          body: { data: { order: { fulfillmentOrders: { nodes: nodes.map((id) => ({ id, status: open.has(id) ? 'OPEN' : 'CLOSED' })) } } } },
        };
      }
      if (lost-- > 0) return { cut: true };
      open.clear();
      return { body: { data: { fulfillmentCreate: { fulfillment: { id: 'f1', status: 'SUCCESS' }, userErrors: [] } } } };
    },
  });
  const parcel = (updated_at, id = `evt_${randomUUID()}`) =>
    JSON.stringify({
      id, description: 'tracker.updated', created_at: updated_at,
      result: { id: 'trk_1', tracking_code: 'EZ4', updated_at, status: 'in_transit', public_url: 'https://track.example.com/EZ4' },
    });
  await post(program, 'easypost', easypost(parcel('2026-11-23T10:00:00Z')));
  const [waits] = await ended('f17', 'retrying');
  assert.equal(waits.summary, 'no shopify.order is linked to easypost.tracker EZ4');
  assert.equal(sent('POST /shopify/graphql.json').length, 0);
  const linked = await admin(program, '/api/links', { links: [{ 'easypost.tracker': 'EZ4', 'shopify.order': 5001 }] });
  assert.equal(linked.status, 200, linked.body);
  await ended('f17', 'delivered');
  const made = () => sent('POST /shopify/graphql.json').filter(({ json: { query } }) => query.startsWith('mutation'));
  assert.equal(made().length, 2);
  assert.deepEqual(made()[1].json.variables.it, {
    lineItemsByFulfillmentOrder: [{ fulfillmentOrderId: 'gid://shopify/FulfillmentOrder/1' }],
    notifyCustomer: true,
    trackingInfo: { number: 'EZ4', url: 'https://track.example.com/EZ4' },
  });
  await post(program, 'easypost', easypost(parcel('2026-11-23T11:00:00Z')));
  const [skipped] = await ended('f17', 'skipped');
  assert.match(skipped.summary, /already fulfilled/);
  await post(program, 'easypost', easypost(parcel('2026-11-23T09:00:00Z')));
  await ended('f17', 'stale');
  assert.equal(made().length, 2);
});

test('F24: a hire waits for the day, a newer event takes its place; the password is nowhere kept', { timeout: 60_000 }, async (t) => {
  const people = { 100: { firstName: 'Ada', lastName: 'Byron', workEmail: 'ada@example.com', department: 'Sales', hireDate: '2099-01-04', status: 'Active' } };
  for (let id = 200; id < 211; ++id) people[id] = { workEmail: `p${id}@example.com`, status: 'Inactive' };
  const members = new Set(['crm@example.com']); // of which she is one already
  const answers = {
    'GET /google/users/ada@example.com': () => ({ status: 404, body: { error: { code: 404, message: 'Resource Not Found: userKey', errors: [{ reason: 'notFound' }] } } }),
    'POST /google/users': ({ json }) => ({ body: { id: 'g1', primaryEmail: json.primaryEmail } }),
    'POST /asana/tasks': ({ json }) => ({ status: 201, body: { data: { gid: 'a1', name: json.data.name } } }),
  };
  for (const group of ['sales@example.com', 'crm@example.com'])
    answers[`POST /google/groups/${group}/members`] = () =>
      members.has(group) ? { status: 409, body: { error: { message: 'Member already exists.', errors: [{ reason: 'duplicate' }] } } } : { body: { id: 'g1' } };
  for (const id of Object.keys(people)) {
    answers[`GET /bamboohr/employees/${id}`] = () => ({ body: { id, ...people[id] } });
    answers[`PATCH /google/users/${people[id].workEmail}`] = ({ json }) => ({ body: json });
  }
  const { dir, program, sent, ended } = await setting(t, answers);
  const hire = (type, employeeId) =>
    bamboohr(JSON.stringify({ type, timestamp: new Date().toISOString(), data: { companyId: '1', employeeId: String(employeeId) } }));
  await post(program, 'bamboohr', hire('employee.created', 100));
  await ended('f24', 'waiting');
  assert.equal(sent('POST /google/users').length, 0);
  people[100].hireDate = '2026-01-05'; // it is put forward
  await post(program, 'bamboohr', hire('employee.updated', 100));
  await ended('f24', 'delivered');
  await until('the first one waits no longer', async () => (await program.runs({ flow: 'f24', state: 'waiting' })).length === 0);
  const [created] = sent('POST /google/users');
  assert.equal(sent('POST /google/users').length, 1);
  const { password, ...user } = created.json;
  assert.deepEqual(user, { primaryEmail: 'ada@example.com', name: { givenName: 'Ada', familyName: 'Byron' }, changePasswordAtNextLogin: true });
  assert.equal(password.length, 20);
  assert.deepEqual(sent('POST /google/groups/sales@example.com/members').map(({ json }) => json), [{ email: 'ada@example.com', role: 'MEMBER' }]);
  assert.deepEqual(sent('POST /asana/tasks').map(({ json }) => json.data), [{ name: 'Onboard Ada', due_on: '2026-01-05' }]);

  // Eleven leave within five minutes: the brake holds the last one for a person.
  for (let id = 200; id < 211; ++id) await post(program, 'bamboohr', hire('employee.updated', id));
  await ended('f24', 'delivered', 11);
  await ended('f24', 'held');

  const told = JSON.stringify(await program.get('/api/find?value=2'));
  assert.ok(!told.includes(password));
  await program.stop();
  assert.ok(!program.output.includes(password));
  const files = readdirSync(join(dir, 'data'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  assert.ok(files.length > 1);
  for (const file of files) {
    const path = join(file.parentPath ?? file.path, file.name);
    assert.ok(!readFileSync(path).includes(password), path);
  }
});

// Two systems with customers, and the table that they come to: what is written to a row is counted.
function customers() {
  const contacts = new Map(), shop = new Map(), rows = new Map(), writes = new Counter();
  let clock = Date.parse('2026-11-23T10:00:00Z');
  const at = () => new Date((clock += 1000)).toISOString();
  const contact = (id, email) => contacts.set(id, { id, archived: false, properties: { email, lastmodifieddate: at() } });
  const customer = (id, email) => shop.set(id, { id, email, updated_at: at() });
  const changed = (since) =>
    [...contacts.values()]
      .filter(({ properties }) => Date.parse(properties.lastmodifieddate) >= since)
      .sort((a, b) => a.properties.lastmodifieddate.localeCompare(b.properties.lastmodifieddate));
  const page = (all, after, size) => ({
    results: all.slice(after, after + size),
    ...(after + size < all.length ? { paging: { next: { after: String(after + size) } } } : {}),
  });
  const answers = {
    'GET /hubspot/crm/v3/objects/contacts': ({ query }) => ({
      body: page([...contacts.values()], Number(query.get('after') ?? 0), Number(query.get('limit'))),
    }),
    'POST /hubspot/crm/v3/objects/contacts/search': ({ json }) => {
      const [filter] = json.filterGroups[0].filters;
      assert.deepEqual([filter.propertyName, filter.operator], ['lastmodifieddate', 'GTE']);
      return { body: page(changed(Number(filter.value)), Number(json.after), json.limit) };
    },
    'GET /shopify/customers.json': ({ url, query }) => {
      const since = Date.parse(query.get('updated_at_min') ?? '1970-01-01T00:00:00Z');
      const all = [...shop.values()].filter(({ updated_at }) => Date.parse(updated_at) >= since);
      const from = Number(query.get('page_info') ?? 0), limit = Number(query.get('limit'));
      const next = new URL(url, 'http://localhost');
      next.searchParams.set('page_info', from + limit);
      const link = `<${answers.origin}${next.pathname}${next.search}>; rel="next"`;
      return { body: { customers: all.slice(from, from + limit) }, headers: from + limit < all.length ? { Link: link } : {} };
    },
    'POST /warehouse/customers': ({ json, headers }) => {
      assert.equal(headers['x-api-key'], env.WAREHOUSE_KEY);
      assert.deepEqual(json.key, ['source', 'id']);
      for (const row of json.rows) {
        rows.set(`${row.source} ${row.id}`, row);
        writes.add(`${row.source} ${row.id} ${row.email} ${row.deleted}`);
      }
      return { body: { results: json.rows.map(() => ({ status: 200 })) } };
    },
  };
  const row = (key) => rows.get(key) && [rows.get(key).email, rows.get(key).deleted];
  return { contacts, shop, contact, customer, answers, rows, writes, row };
}

test('F29: customers of two systems come into one table, page by page, over a kill; changes and deletions follow', { timeout: 120_000 }, async (t) => {
  const it = customers();
  for (let id = 1; id <= 250; ++id) it.contact(String(id), `c${id}@example.com`);
  for (let id = 900; id < 1300; ++id) it.customer(id, `s${id}@example.com`);
  // The second page of contacts comes when the test says so.
  let release;
  const held = new Promise((done) => (release = done));
  const list = it.answers['GET /hubspot/crm/v3/objects/contacts'];
  it.answers['GET /hubspot/crm/v3/objects/contacts'] = async (request) => {
    if (request.query.get('after') === '100') await held;
    return list(request);
  };
  const often = (text) => text.replace('time: 5s', 'time: 100ms').replaceAll('every: 15m', 'every: 1s');
  const { dir, program, vendors, sent } = await setting(t, it.answers, often);
  it.answers.origin = vendors.url;
  await vendors.until('the first page of contacts is in the table', () => it.rows.has('hubspot.contacts 100') && it.rows.has('shopify.customers 1299'));
  assert.equal(it.rows.has('hubspot.contacts 101'), false);
  await program.stop('SIGKILL');
  const next = await Tieline.start(t, dir, { env });
  release();
  await vendors.until('all are in the table', () => it.rows.size === 650);
  assert.deepEqual(it.row('hubspot.contacts 250'), ['c250@example.com', false]);
  assert.deepEqual(it.row('shopify.customers 900'), ['s900@example.com', false]);
  const lists = sent('GET /hubspot/crm/v3/objects/contacts').map(({ query }) => query.get('after'));
  assert.deepEqual(lists.filter((after, i) => after !== lists[i - 1]), [null, '100', '200'], 'it goes on at the page it had');

  it.contact('7', 'seven@example.com');
  it.contact('251', 'new@example.com');
  it.customer(901, 'one@example.com');
  await vendors.until('the changes are there', () =>
    it.row('hubspot.contacts 7')?.[0] === 'seven@example.com' && it.rows.has('hubspot.contacts 251') && it.row('shopify.customers 901')?.[0] === 'one@example.com');

  it.contacts.delete('9');
  const started = await tieline(['start', 'syncs/f29/hubspot.contacts', '--data', '{"all": true}', '-w', dir], { env });
  assert.equal(started.code, 0, started.stdout + started.stderr);
  await vendors.until('what is gone is marked', () => it.row('hubspot.contacts 9')?.[1] === true);
  assert.equal(it.rows.size, 651);
  assert.ok(sent('POST /warehouse/customers').length < 60, `${sent('POST /warehouse/customers').length} requests`);
  // A row is written again only where the kill came before its run's end was durable.
  await until('nothing is left to do', async () => {
    const flows = await next.get('/api/status');
    return flows.flows.find(({ name }) => name === 'f29').running === 0;
  });
  assert.deepEqual(it.writes.over(2), []);
  for (const flow of ['f29', 'syncs/f29/hubspot.contacts', 'syncs/f29/shopify.customers'])
    assert.deepEqual(await next.runs({ flow, state: 'dead' }), [], flow);
});
