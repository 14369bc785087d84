// Every action of the HubSpot, Stripe and Slack manifests, sent by a running engine and judged by Stoplight Prism,
// which serves those vendors' own documents.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import YAML from 'yaml';
import { start_prism } from './prism_server.mjs';
import { hook } from './sign.mjs';
import { connections, needs_shared, root, Tieline, until, workspace } from './support.mjs';
import { sink } from './vendors.mjs';

// [args, the vendor's answer] by action: one call each, with every kind of argument that the manifest knows.
const cases = {
  hubspot: {
    'account.get': [{}, { portalId: 1 }],
    'contacts.list': [{ properties: ['email', 'phone'], archived: false }, { results: [{ id: '77', properties: {} }] }],
    'contacts.changed': [
      { since: '1790000000000', properties: ['email'] },
      { total: 1, results: [{ id: '77', properties: {} }] },
    ],
    'contacts.search': [{ email: 'ada@example.com' }, { total: 1, results: [{ id: '77', properties: {} }] }],
    'contacts.get': [
      { id: 'ada@example.com', id_property: 'email', properties: ['email', 'firstname'] },
      { id: '77', properties: {} },
    ],
    'contacts.upsert': [
      { email: 'ada@example.com', firstname: 'Ada' },
      { results: [{ id: '77', properties: {}, new: true }] },
    ],
    'companies.get': [
      { id: 'acme.example', id_property: 'domain', properties: ['name'] },
      { id: '9', properties: { name: 'Acme' } },
    ],
    'line_items.read': [{ ids: ['11', '12'] }, { status: 'COMPLETE', results: [{ id: '11', properties: {} }] }],
    'deals.get': [
      { id: '5', id_property: 'shopify_order_id', properties: ['amount'], with: ['contacts', 'line_items'] },
      { id: '5', properties: {} },
    ],
    'deals.create': [
      { shopify_order_id: 'gid://shopify/Order/1', dealname: 'Order 1', amount: '12.50', contact: '77' },
      { id: '5', properties: {} },
    ],
    'deals.upsert': [
      { shopify_order_id: 'gid://shopify/Order/1', dealname: 'Order 1' },
      { results: [{ id: '5', properties: {} }] },
    ],
    'deals.update': [
      { id: '5', dealstage: 'closedwon' },
      { id: '5', properties: {} },
    ],
    'associations.put': [{ from: 'deals', from_id: '5', to: 'contacts', to_id: '77' }, { results: [{}] }],
  },
  stripe: {
    'customers.get': [{ id: 'cus_1', expand: ['default_source', 'subscriptions'] }, { id: 'cus_1' }],
    'customers.list': [
      { created: { gte: 1790000000 }, expand: ['data.subscriptions'] },
      { data: [{ id: 'cus_1' }], has_more: false },
    ],
    'customers.search': [{ email: 'ada@example.com' }, { data: [{ id: 'cus_1' }], has_more: false }],
    'customers.create': [
      {
        email: 'ada@example.com',
        name: 'Ada',
        phone: '+1',
        description: 'of the shop',
        metadata: { order: '1042' },
        address: { line1: '1 High Street', country: 'GB' },
        shipping: { name: 'Ada', address: { line1: '1 High Street' } },
      },
      { id: 'cus_1' },
    ],
    'invoices.get': [{ id: 'in_1', expand: ['customer'] }, { id: 'in_1' }],
    'payment_intents.get': [{ id: 'pi_1', expand: ['customer'] }, { id: 'pi_1' }],
    'balance_transactions.list': [
      { payout: 'po_1', type: 'charge', created: { gte: 1790000000 }, expand: ['data.source'] },
      { data: [{ id: 'txn_1' }], has_more: false },
    ],
    'refunds.create': [
      { payment_intent: 'pi_1', amount: 1250, reason: 'requested_by_customer', metadata: { order: '1042' } },
      { id: 're_1' },
    ],
    'balance.get': [{}, { available: [] }],
  },
  slack: {
    'auth.test': [{}, { ok: true, team: 'T', team_id: 'T1', user: 'u', user_id: 'U1', url: 'https://x.slack.com/' }],
    'chat.postMessage': [
      { channel: 'C012AB3CD', text: 'New order', blocks: [{ type: 'divider' }], unfurl_links: false },
      { ok: true, channel: 'C012AB3CD', ts: '1.2' },
    ],
    'chat.update': [
      { channel: 'C012AB3CD', ts: '1401383885.000061', text: 'Changed' },
      { ok: true, channel: 'C012AB3CD', ts: '1.2' },
    ],
    'users.lookupByEmail': [{ email: 'ada@example.com' }, { ok: true, user: { id: 'U1' } }],
    'conversations.list': [
      { types: 'public_channel', exclude_archived: true },
      { ok: true, channels: [{ id: 'C1' }] },
    ],
  },
};
// Each is wrong in one way, so that a judge who lets everything pass is noticed.
const wrong = [
  [
    'hubspot',
    'an unknown operator',
    /operator/,
    {
      method: 'POST',
      url: '/crm/v3/objects/contacts/search',
      headers: { authorization: 'Bearer x', 'content-type': 'application/json' },
      raw: '{"filterGroups":[{"filters":[{"propertyName":"email","operator":"EQUALS","value":"a"}]}],"properties":[],"sorts":[],"limit":1,"after":"0"}',
    },
  ],
  [
    'hubspot',
    'a path that is not there',
    /no path|not there|NO_PATH|route/i,
    { method: 'GET', url: '/crm/v3/objects/contacts/1/2/3', headers: { authorization: 'Bearer x' } },
  ],
  [
    'stripe',
    'a limit that is no number',
    /limit/,
    { method: 'GET', url: '/v1/customers?limit=ten', headers: { authorization: 'Bearer x' } },
  ],
  [
    'stripe',
    'an amount that is no number',
    /amount/,
    {
      method: 'POST',
      url: '/v1/refunds',
      headers: { authorization: 'Bearer x', 'content-type': 'application/x-www-form-urlencoded' },
      raw: 'amount=12.50',
    },
  ],
  ['stripe', 'no credentials', /authoriz|401/i, { method: 'GET', url: '/v1/balance', headers: {} }],
  [
    'slack',
    'a message without a channel',
    /channel/,
    {
      method: 'POST',
      url: '/chat.postMessage',
      headers: { authorization: 'Bearer xoxb-1', 'content-type': 'application/json' },
      raw: '{"text":"x"}',
    },
  ],
  ['slack', 'no token', /token/, { method: 'GET', url: '/users.lookupByEmail?email=a', headers: {} }],
];

const manifest = (vendor) => YAML.parse(readFileSync(join(root, 'connectors', `${vendor}.yaml`), 'utf8'));
const actions = (vendor) =>
  Object.entries(manifest(vendor).resources).flatMap(([resource, { actions }]) =>
    Object.keys(actions).map((action) => `${resource}.${action}`),
  );
// The method and path of an action as Stripe's document writes them: whatever it calls its path parameters.
const operation_of = (description) => {
  const [method, path] = Object.entries(description).find(([key]) =>
    ['get', 'post', 'put', 'patch', 'delete'].includes(key),
  );
  return `${method} ${path.replace(/\{[^}]*\}/g, '{}')}`;
};

const installed = existsSync(join(root, 'tests/node_modules/@stoplight/prism-cli'))
  ? false
  : 'run scripts/setup: Prism is not installed';
test('requests as the vendors document them', { skip: needs_shared || installed, timeout: 180_000 }, async (t) => {
  const called = new Set(
    Object.values(manifest('stripe').resources).flatMap(({ actions }) => Object.values(actions).map(operation_of)),
  );
  const judge = await start_prism(t, {
    stripe: (method, path) => called.has(`${method} ${path.replace(/\{[^}]*\}/g, '{}')}`),
  });

  for (const [vendor, name, reason, request] of wrong) {
    await t.test(`${vendor} refuses ${name}`, async () =>
      assert.match((await judge(vendor, request)).join('; '), reason),
    );
  }

  let answer;
  const target = await sink(t, () => ({ body: answer }));
  const flows = {};
  for (const vendor of Object.keys(cases)) {
    for (const action of Object.keys(cases[vendor])) {
      flows[`${vendor}-${action.replace('.', '-')}`.toLowerCase()] =
        `on: { webhook: hook, event: ${vendor}.${action} }\nsteps:\n  - { call: ${vendor}.${action}, with: ., as: answer }\n`;
    }
  }
  const program = await Tieline.start(
    t,
    workspace(t, {
      connections: {
        hook: connections.hook(),
        hubspot: connections.hubspot(`${target.url}/hubspot`),
        slack: connections.slack(`${target.url}/slack`),
        stripe: connections.stripe(`${target.url}/stripe`),
      },
      flows,
    }),
  );
  for (const vendor of Object.keys(cases)) {
    assert.deepEqual(Object.keys(cases[vendor]).sort(), actions(vendor).sort(), `every action of ${vendor} has a case`);
    for (const [action, [args, reply]] of Object.entries(cases[vendor])) {
      await t.test(`${vendor}.${action}`, async () => {
        answer = reply;
        const signed = hook(`${vendor}.${action}`, JSON.stringify(args), { id: `${vendor}.${action}` });
        const begin = target.requests.length;
        assert.equal((await program.post('hook', signed)).status, 200);
        const run = await until('the run ends', async () =>
          (await program.runs({ flow: `${vendor}-${action.replace('.', '-')}`.toLowerCase() })).find(({ state }) =>
            ['delivered', 'dead', 'skipped', 'held'].includes(state),
          ),
        );
        const requests = target.requests.slice(begin);
        assert.equal(requests.length, 1, JSON.stringify(run));
        assert.equal(run.state, 'delivered', JSON.stringify(run));
        const request = { ...requests[0], url: requests[0].url.replace(`/${vendor}`, '') };
        assert.deepEqual(await judge(vendor, request), [], `${request.method} ${request.url} ${request.raw}`);
      });
    }
  }
});
