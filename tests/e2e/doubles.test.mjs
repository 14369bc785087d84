// The doubles of `tieline double` against the vendors' own documents: what they answer validates against the published
// schemas and has the members of the published samples, so that manifest and double cannot agree on the same mistake.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import Ajv from 'ajv';
import add_formats from 'ajv-formats';
import { binary, http, needs_shared, shared, tieline } from './support.mjs';

const specs = join(shared, 'vendor-specs');
const read_json = (path) => JSON.parse(readFileSync(join(specs, path), 'utf8'));

// Starts `tieline double ARGS` and resolves with {addresses, stdout, stop}; the process ends with the test.
async function doubles(t, ...args) {
  const dir = mkdtempSync(join(tmpdir(), 'tieline-double-'));
  const file = join(dir, 'announce.json');
  const child = spawn(binary, ['double', ...args, '--announce', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HUB_TOKEN: 'from the environment' },
  });
  const self = { stdout: '', stderr: '' };
  child.stdout.on('data', (part) => {
    self.stdout += part;
  });
  child.stderr.on('data', (part) => {
    self.stderr += part;
  });
  const exit = new Promise((done) => child.on('exit', (code, signal) => done({ code, signal })));
  t.after(async () => {
    child.kill('SIGKILL');
    await exit;
    rmSync(dir, { recursive: true, force: true });
  });
  self.stop = (signal) => {
    child.kill(signal);
    return exit;
  };
  self.addresses = await new Promise((done, failed) => {
    const look = () => {
      try {
        done(JSON.parse(readFileSync(file, 'utf8')));
        watcher.close();
      } catch {
        /* not there yet: the next change tells */
      }
    };
    const watcher = watch(dir, look);
    exit.then(({ code }) => {
      watcher.close();
      failed(new Error(`ended with ${code}: ${self.stderr}`));
    });
    look();
  });
  return self;
}

// A client of one double: `send(method, path, body)` gives {status, headers, body, json}.
function client(base, headers, encode = JSON.stringify) {
  return async (method, path, body) => {
    const answer = await http(base + path, { method, headers, body: body === undefined ? undefined : encode(body) });
    return { ...answer, json: JSON.parse(answer.body) };
  };
}
const json_type = { 'Content-Type': 'application/json' };
const bearer = { Authorization: 'Bearer any' };

// A checker of an OpenAPI document: `check(schema, value)`. OpenAPI 3.0's nullable is said as JSON Schema says it.
function checker(document) {
  const formats = { int32: true, int64: true, 'unix-time': true, decimal: true };
  const ajv = new Ajv({ strict: false, allErrors: true, formats });
  add_formats(ajv);
  const plain = (node) => {
    if (Array.isArray(node)) return node.map(plain);
    if (node === null || typeof node !== 'object') return node;
    const out = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, plain(value)]));
    if (out.nullable !== true) return out;
    delete out.nullable;
    return { anyOf: [out, { type: 'null' }] };
  };
  ajv.addSchema({ $id: 'doc', components: plain({ schemas: document.components.schemas }) });
  return (schema, value, what) => {
    const text = JSON.stringify(plain(schema)).replaceAll('"#/components/', '"doc#/components/');
    const validate = ajv.compile(JSON.parse(text));
    assert.ok(validate(value), `${what}: ${ajv.errorsText(validate.errors)}\n${JSON.stringify(value)}`);
  };
}

// The schema of an answer, as the document gives it for method, path and status.
function answer_schema(document, method, path, status) {
  const responses = document.paths[path]?.[method.toLowerCase()]?.responses;
  assert.ok(responses, `${method} ${path} is in the vendor's document`);
  const response = responses[status] ?? responses.default;
  const target = response.$ref ? document.components.responses[response.$ref.split('/').at(-1)] : response;
  return Object.values(target.content)[0].schema;
}

test('HubSpot answers as its specification says', { skip: needs_shared, timeout: 60_000 }, async (t) => {
  const { addresses } = await doubles(t, 'hubspot');
  const send = client(addresses.hubspot, { ...json_type, ...bearer });
  const documents = {
    contacts: read_json('hubspot/crm-contacts-v3.json'),
    deals: read_json('hubspot/crm-deals-v3.json'),
    objects: read_json('hubspot/crm-objects-v3.json'),
    associations: read_json('hubspot/crm-associations-v4.json'),
    account: read_json('hubspot/account-info-v3.json'),
  };
  const check = Object.fromEntries(Object.entries(documents).map(([name, document]) => [name, checker(document)]));
  const say = async (name, method, path, pattern, body, status) => {
    const answer = await send(method, path, body);
    assert.equal(answer.status, status, answer.body);
    check[name](answer_schema(documents[name], method, pattern, status), answer.json, `${method} ${path}`);
    return answer.json;
  };
  const search = (value) => ({
    filterGroups: [{ filters: [{ propertyName: 'email', operator: 'EQ', value }] }],
    properties: ['email'],
    sorts: [],
    limit: 1,
    after: '0',
  });
  const upsert = (idProperty, id, properties) => ({ inputs: [{ idProperty, id, properties }] });

  const details = answer_schema(documents.account, 'GET', '/account-info/v3/details', 200);
  assert.throws(() => check.account(details, { portalId: 1 }, 'the checker can fail'), /required property 'timeZone'/);
  await say('account', 'GET', '/account-info/v3/details', '/account-info/v3/details', undefined, 200);
  const contacts = '/crm/v3/objects/contacts';
  const made = await say('contacts', 'POST', `${contacts}/batch/upsert`, `${contacts}/batch/upsert`,
    upsert('email', 'ada@example.com', { email: 'ada@example.com', firstname: 'Ada' }), 200);
  const contact = made.results[0].id;
  for (const email of ['ada@example.com', 'nobody@example.com'])
    await say('contacts', 'POST', `${contacts}/search`, `${contacts}/search`, search(email), 200);
  await say('contacts', 'GET', `${contacts}/${contact}`, `${contacts}/{contactId}`, undefined, 200);
  const again = { properties: { email: 'ada@example.com' }, associations: [] };
  await say('contacts', 'POST', contacts, contacts, again, 409);

  const deals = '/crm/v3/objects/0-3';
  const deal = await say('deals', 'POST', deals, deals, {
    properties: { dealname: 'Order 1', shopify_order_id: 'gid://1' },
    associations: [{ to: { id: contact }, types: [{ associationCategory: 'HUBSPOT_DEFINED', associationTypeId: 3 }] }],
  }, 201);
  const with_contacts = `${deals}/${deal.id}?associations=contacts`;
  const read = await say('deals', 'GET', with_contacts, `${deals}/{dealId}`, undefined, 200);
  assert.equal(read.associations.contacts.results[0].id, contact);
  const object = '/crm/v3/objects/{objectType}/{objectId}';
  await say('objects', 'GET', `/crm/v3/objects/deals/${deal.id}`, object, undefined, 200);
  await say('deals', 'PATCH', `${deals}/${deal.id}`, `${deals}/{dealId}`, { properties: { amount: '5' } }, 200);
  await say('deals', 'POST', `${deals}/batch/upsert`, `${deals}/batch/upsert`,
    upsert('shopify_order_id', 'gid://2', { amount: '7' }), 200);
  await say('deals', 'GET', `${deals}/404`, `${deals}/{dealId}`, undefined, 404);
  const path = '/crm/v4/objects/{fromObjectType}/{fromObjectId}/associations/default/{toObjectType}/{toObjectId}';
  await say('associations', 'PUT', `/crm/v4/objects/deals/${deal.id}/associations/default/contacts/${contact}`, path,
    undefined, 200);
});

test('Stripe answers as its specification says', { skip: needs_shared, timeout: 60_000 }, async (t) => {
  const { default: yaml } = await import('yaml');
  const document = yaml.parse(readFileSync(join(specs, 'stripe/spec3-2023-08-16.yaml'), 'utf8'));
  const check = checker(document);
  const { addresses } = await doubles(t, 'stripe');
  const form = { 'Content-Type': 'application/x-www-form-urlencoded', ...bearer };
  const send = client(addresses.stripe, form, (body) => new URLSearchParams(body).toString());
  const say = async (method, path, pattern, body, status = 200) => {
    const answer = await send(method, path, body);
    assert.equal(answer.status, status, answer.body);
    check(answer_schema(document, method, pattern, status), answer.json, `${method} ${path}`);
    return answer.json;
  };
  await say('GET', '/v1/balance', '/v1/balance');
  const customer = await say('POST', '/v1/customers', '/v1/customers', {
    email: 'ada@example.com',
    name: 'Ada',
    'metadata[order]': '1042',
    'address[city]': 'Hamburg',
  });
  assert.deepEqual(customer.metadata, { order: '1042' });
  await say('GET', `/v1/customers/${customer.id}`, '/v1/customers/{customer}');
  await say('GET', '/v1/customers?email=ada@example.com&limit=1', '/v1/customers');
  await say('POST', '/v1/refunds', '/v1/refunds', { payment_intent: 'pi_1', amount: '5', reason: 'duplicate' });
  await say('GET', '/v1/balance_transactions', '/v1/balance_transactions');
  await say('GET', '/v1/customers/cus_none', '/v1/customers/{customer}', undefined, 404);
  await say('GET', '/v1/invoices/in_none', '/v1/invoices/{invoice}', undefined, 404);
  await say('GET', '/v1/payment_intents/pi_none', '/v1/payment_intents/{intent}', undefined, 404);
  await say('POST', '/v1/refunds', '/v1/refunds', { amount: '5' }, 400);
  await say('POST', '/v1/customers', '/v1/customers', { emial: 'a' }, 400);

  // What the double takes is what the specification takes.
  for (const [path, name] of [['/v1/customers', 'customers'], ['/v1/refunds', 'refunds']]) {
    const { content } = document.paths[path].post.requestBody;
    const every = Object.keys(content['application/x-www-form-urlencoded'].schema.properties);
    // Unknown ones are looked for before any value is.
    const { json } = await send('POST', path, Object.fromEntries(every.map((parameter) => [parameter, '1'])));
    assert.notEqual(json.error?.code, 'parameter_unknown', `${name} take ${json.error?.param}`);
  }
});

// The names of all members, with the paths to them; lists by their first element.
function members(value, path = '') {
  if (Array.isArray(value)) return value.length > 0 ? members(value[0], `${path}[]`) : [];
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, inner]) => [`${path}.${key}`, ...members(inner, `${path}.${key}`)]);
}
const assert_has_all = (value, sample, what) => {
  const have = new Set(members(value));
  assert.deepEqual(members(sample).filter((name) => !have.has(name)), [], `${what} lacks what the sample has`);
};

test('Slack answers with what its samples have', { skip: needs_shared, timeout: 60_000 }, async (t) => {
  const { addresses } = await doubles(t, 'slack');
  const send = client(addresses.slack, { ...json_type, ...bearer });
  const sample = (name) => read_json(`slack/samples/${name}.json`);
  assert_has_all((await send('POST', '/auth.test', {})).json, sample('auth.test-200'), 'auth.test');
  const posted = sample('chat.postMessage-200');
  const message = (
    await send('POST', '/chat.postMessage', { channel: 'C1', text: 'hello', attachments: posted.message.attachments })
  ).json;
  assert_has_all(message, posted, 'chat.postMessage');
  assert.match(message.ts, /^\d{10}\.\d{6}$/);
  const changed = (await send('POST', '/chat.update', { channel: 'C1', ts: message.ts, text: 'changed' })).json;
  assert_has_all(changed, sample('chat.update-200'), 'chat.update');
  const channels = (await send('GET', '/conversations.list')).json;
  const listed = sample('conversations.list-200');
  assert_has_all(channels, listed, 'conversations.list');
  const strange = await client(addresses.slack, json_type)('POST', '/auth.test', {});
  assert.equal(strange.status, 200);
  assert.deepEqual(strange.json, sample('auth.test-default'));
});

test('Shopify orders have what flows and the manifest read', { skip: needs_shared, timeout: 60_000 }, async (t) => {
  const { addresses } = await doubles(t, 'shopify');
  const headers = { 'X-Shopify-Access-Token': 'any' };
  const answer = await http(`${addresses.shopify}/admin/api/2026-07/orders.json?status=any&limit=3`, { headers });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.link, /^<http:\/\/127\.0\.0\.1:\d+\/admin\/api\/2026-07\/orders\.json\?.*>; rel="next"$/);
  assert.match(answer.headers['x-shopify-shop-api-call-limit'], /^1\/40$/);
  const [order] = JSON.parse(answer.body).orders;
  const sample = read_json('shopify/samples/webhook-orders-create.json');
  const known = new Set(members(sample));
  assert.deepEqual(members(order).filter((name) => !known.has(name)), [], 'nothing that Shopify does not have');
  const read = ['id', 'admin_graphql_api_id', 'order_number', 'email', 'current_total_price', 'created_at', 'customer'];
  for (const name of read) assert.ok(name in order, name);
  const customer = await http(`${addresses.shopify}/customers/${order.customer.id}.json`, { headers });
  assert.equal(JSON.parse(customer.body).customer.email, order.customer.email);
});

test('tieline double: credentials, faults, state and the end', { timeout: 60_000 }, async (t) => {
  const run = await doubles(t, 'hubspot', 'slack', '--token-env', 'hubspot=HUB_TOKEN', '--faults',
    '{"unavailable": 1000}');
  assert.deepEqual(Object.keys(run.addresses), ['hubspot', 'slack']);
  assert.equal(run.stdout, `hubspot double: ${run.addresses.hubspot}\nslack double: ${run.addresses.slack}\n`);
  const details = `${run.addresses.hubspot}/account-info/v3/details`;
  assert.equal((await http(details)).status, 503);
  const faults = { method: 'POST', body: '{"reset_before": 1000}' };
  assert.equal((await http(`${run.addresses.hubspot}/_double/faults`, faults)).status, 204);
  await assert.rejects(http(details), /socket hang up|ECONNRESET/);
  assert.equal((await http(`${run.addresses.hubspot}/_double/faults`, { method: 'POST', body: '{}' })).status, 204);
  assert.equal((await http(details, { headers: bearer })).status, 401);
  const headers = { Authorization: 'Bearer from the environment' };
  assert.equal((await http(details, { headers })).status, 200);
  const state = JSON.parse((await http(`${run.addresses.hubspot}/_double/state`)).body);
  assert.equal(state.requests, 4);
  assert.equal(state.unauthorized, 1);
  assert.deepEqual(await run.stop('SIGTERM'), { code: 0, signal: null });
});

test('tieline double refuses what it cannot do', { timeout: 60_000 }, async () => {
  for (const [args, said] of [
    [['hubspott'], /there is no double of "hubspott"; did you mean "hubspot"\?/],
    [['hubspot', 'hubspot'], /named twice/],
    [['hubspot', '--credential', 'slack=x'], /no double of "slack" is started/],
    [['hubspot', '--credential', 'hubspot'], /--credential takes VENDOR=VALUE/],
    [['hubspot', '--token-env', 'hubspot=NO_SUCH_NAME'], /the environment has no NO_SUCH_NAME/],
    [['hubspot', '--faults', '{"slwo": 1}'], /unknown fault "slwo"; did you mean "slow"\?/],
    [['hubspot', '--port', 'x'], /--port takes a number/],
  ]) {
    const { code, stderr } = await tieline(['double', ...args]);
    assert.equal(code, 2, args.join(' '));
    assert.match(stderr, said);
  }
});
