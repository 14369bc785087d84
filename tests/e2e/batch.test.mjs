// `batch`: webhooks of many customers to a warehouse that takes rows by the hundred, as the design's flow F29 means it. The
// warehouse counts: what it was sent, how often, and in how many requests.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { standard_webhook } from './sign.mjs';
import { Tieline, tieline, until, workspace } from './support.mjs';
import { sink } from './vendors.mjs';

const env = { IN_SECRET: `whsec_${Buffer.from('a secret of the batch test, 32 b').toString('base64')}` };

const warehouse = `connector: warehouse
title: Warehouse
category: generic
base_url: https://warehouse.example.com
errors: { message: .error }
resources:
  customers:
    actions:
      upsert:
        post: /customers
        args: { key: array, rows: array }
        body: .
        repeatable: true
        each: { of: rows, max: 100, items: .results, status: .status, error: .error, result: .row }
`;
const flow = `on: { webhook: crm }
key: .data.id
batch: { count: 100, time: 200ms }
retry: { first: 20ms, max: 100ms }
index: { customer: .data.id }
steps:
  - map: { source: =$event.source, id: =.data.id, email: =.data.email, deleted: =$event.op == "deleted", doc: =. }
  - { call: warehouse.customers.upsert, with: { key: [source, id] }, as: row }
  - filter: { if: $row.id == .id, reason: another row }
`;

// Refuses the whole request where a row has no e-mail address, and rows one by one whose address it does not like.
function table() {
  const rows = new Map();
  const answer = ({ json }) => {
    assert.deepEqual(json.key, ['source', 'id']);
    if (json.rows.some(({ email }) => email === null)) return { status: 400, body: { error: 'email must not be null' } };
    const results = json.rows.map((row) => {
      if (!row.email.includes('@')) return { status: 422, error: `${row.email} is no address` };
      rows.set(row.id, (rows.get(row.id) ?? 0) + 1);
      return { status: 200, row: { id: row.id } };
    });
    return { body: { results } };
  };
  return { rows, answer };
}

const customer = (id, email = `${id}@example.com`) =>
  standard_webhook(
    env.IN_SECRET,
    JSON.stringify({ type: 'contact.new', timestamp: '2026-11-23T10:00:00Z', data: { id, email } }),
  );

test('what waits for others to leave with is shown', { timeout: 60_000 }, async (t) => {
  const target = await sink(t, table().answer);
  const dir = workspace(t, {
    connectors: { warehouse },
    connections: {
      crm: { connector: 'standard-webhooks', secrets: { secret: 'env:IN_SECRET' } },
      warehouse: { connector: 'warehouse', base_url: target.url, private_addresses: true },
    },
    flows: { flow: flow.replace('200ms', '1h') },
  });
  const program = await Tieline.start(t, dir, { env });
  for (const id of ['a', 'b', 'c']) assert.equal((await program.post('crm', customer(id))).status, 200);
  await until('they wait', async () => (await program.status()).flows[0].gathering === 3);
  assert.match((await tieline(['flow', '-w', dir])).stdout, /^flow .* 3 calls gather for one request$/m);
  assert.equal(target.requests.length, 0);
});

test('rows of many runs leave together; a bad one spoils nobody; a kill loses none', { timeout: 120_000 }, async (t) => {
  const { rows, answer } = table();
  let silent = 0;
  const target = await sink(t, (request) => (silent-- > 0 ? { cut: 'silent' } : answer(request)));
  const dir = workspace(t, {
    connectors: { warehouse },
    connections: {
      crm: { connector: 'standard-webhooks', secrets: { secret: 'env:IN_SECRET' } },
      warehouse: { connector: 'warehouse', base_url: target.url, private_addresses: true },
    },
    flows: { flow },
  });
  const checked = await tieline(['check', dir], { env });
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  let program = await Tieline.start(t, dir, { env });
  const post = async (webhooks) => {
    for (const { status } of await Promise.all(webhooks.map((one) => program.post('crm', one)))) assert.equal(status, 200);
  };
  const ended = async (state, count) => (await program.runs({ flow: 'flow', state })).length === count;

  await post(Array.from({ length: 250 }, (_, i) => customer(`a${i}`)));
  await until('all are there', () => rows.size === 250);
  await until('all runs know it', () => ended('delivered', 250));
  assert.ok(target.requests.length <= 20, `${target.requests.length} requests for 250 rows`);
  assert.ok([...rows.values()].every((times) => times === 1));

  // One whole that is refused for one row, and one row that is refused by itself.
  const before = target.requests.length;
  await post([...Array.from({ length: 40 }, (_, i) => customer(`b${i}`)), customer('null', null), customer('wrong', 'nobody')]);
  await until('the good ones are there', () => rows.size === 290);
  await until('the bad ones are dead', () => ended('dead', 2));
  const dead = await program.runs({ flow: 'flow', state: 'dead' });
  assert.deepEqual(
    dead.map(({ summary }) => summary.replace(/.*: /, '')).sort(),
    ['email must not be null', 'nobody is no address'],
  );
  assert.ok(target.requests.length - before <= 20, `${target.requests.length - before} requests to find one bad row`);
  const shown = await tieline(['show', '-w', dir, dead[0].run], { env });
  assert.match(shown.stdout, /in one request of \d+ items/);
  assert.match(shown.stdout, /refused together with \d+ items? of (an)?other runs?, so it goes with fewer/);
  assert.ok((await program.status()).connections.every(({ limited }) => limited === 0), 'that is no limit');

  // It dies while the warehouse has the request.
  silent = 1;
  const asked = target.requests.length;
  await post(Array.from({ length: 30 }, (_, i) => customer(`c${i}`)));
  await until('they left', () => target.requests.length > asked);
  await program.stop('SIGKILL');
  program = await Tieline.start(t, dir, { env });
  await until('they are there', () => rows.size === 320);
  await until('their runs know it', () => ended('delivered', 320));
});
