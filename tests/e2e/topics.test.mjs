// Topics from outside: a webhook in by Standard Webhooks, an event on a topic, flows and signed webhooks out. What is sent
// is verified, and what comes in is signed, by the official packages: both sides cannot agree on the same mistake.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';
import { standard_webhook } from './sign.mjs';
import { connections, Tieline, tieline, until, workspace } from './support.mjs';
import { sink } from './vendors.mjs';

const new_secret = () => `whsec_${randomBytes(32).toString('base64')}`;
const env = { IN_SECRET: new_secret(), OLD_SECRET: new_secret(), NEW_SECRET: new_secret() };

const publish = `on: { webhook: crm, event: contact.new }
steps:
  - { call: sink.request.post, with: { path: /seen, body: =. } }
  - { publish: customer.created, key: .data.id, op: created, data: { id: =.data.id, country: =.data.country } }
`;
const subscribe = (path) => `on: { topic: customer.* }
key: $event.subject
steps: [ { call: sink.request.post, with: { path: ${path}, body: { id: =.id, topic: =$event.topic, op: =$event.op } } } ]
`;

function write_subscription(dir, name, value) {
  mkdirSync(join(dir, 'subscriptions'), { recursive: true });
  writeFileSync(join(dir, 'subscriptions', `${name}.yaml`), JSON.stringify(value));
}

function setting(t, target, more = {}) {
  const dir = workspace(t, {
    connections: {
      crm: { connector: 'standard-webhooks', secrets: { secret: 'env:IN_SECRET' } },
      sink: connections.http(target.url),
    },
    flows: { publish, good: subscribe('/good'), bad: subscribe('/bad') },
  });
  write_subscription(dir, 'erp', {
    url: `${target.url}/erp`,
    topics: ['customer.>'],
    filter: '.country == "DE"',
    secrets: ['env:NEW_SECRET', 'env:OLD_SECRET'],
    private_addresses: true,
    retry: { first: '50ms', max: '200ms' },
    ...more,
  });
  return dir;
}

const signed = (body, { secret = env.IN_SECRET, ...more } = {}) => standard_webhook(secret, body, more);
const contact = (id, country) =>
  JSON.stringify({ type: 'contact.new', timestamp: '2026-11-23T10:00:00Z', data: { id, country } });

test('one topic, three subscribers, one of which fails; outside by a signed webhook', { timeout: 60_000 }, async (t) => {
  let erp_fails = 2;
  const target = await sink(t, ({ path }) => {
    if (path === '/bad') return { status: 503 };
    if (path === '/erp' && erp_fails-- > 0) return { status: 500 };
    return { status: 200, body: '{}' };
  });
  const dir = setting(t, target);
  const checked = await tieline(['check', dir], { env });
  assert.equal(checked.code, 0, checked.stderr);
  const program = await Tieline.start(t, dir, { env });
  for (const [id, country] of [['c-1', 'DE'], ['c-2', 'FR']])
    assert.equal((await program.post('crm', signed(contact(id, country)))).status, 200);
  const at = (path) => target.requests.filter((request) => request.path === path);
  await target.until('all that can be delivered is', () => at('/good').length === 2 && at('/erp').length === 3);
  // Two customers are two keys: which of them comes first is not said.
  const by_id = (one, other) => one.id.localeCompare(other.id);
  assert.deepEqual(
    at('/good')
      .map(({ raw }) => JSON.parse(raw))
      .sort(by_id),
    ['c-1', 'c-2'].map((id) => ({ id, topic: 'customer.created', op: 'created' })),
  );
  const ids = new Set();
  for (const { headers, raw: body } of at('/erp')) {
    for (const secret of [env.OLD_SECRET, env.NEW_SECRET]) {
      for (const Verifier of [Webhook, Svix]) {
        const payload = new Verifier(secret).verify(body, headers);
        assert.equal(payload.type, 'customer.created');
        assert.deepEqual(payload.data, { id: 'c-1', country: 'DE' });
        assert.ok(Date.parse(payload.timestamp) > 0);
      }
    }
    assert.throws(() => new Webhook(env.IN_SECRET).verify(body, headers));
    assert.equal(headers['content-type'], 'application/json');
    ids.add(headers['webhook-id']);
  }
  assert.equal(ids.size, 1); // a repeat is known by its id
  const flow = async (name) => (await program.status()).flows.find((one) => one.name === name);
  await until('one flow delivers what the other tries again', async () => {
    return (await flow('good')).delivered === 2 && (await flow('bad')).retrying === 2;
  });
  await until('the subscription is at rest', async () => {
    const now = await flow('subscriptions/erp');
    return now.delivered === 1 && now.lag === 0;
  });
  const shown = await tieline(['show', '-w', dir, 'publish/1'], { env });
  assert.match(shown.stdout, /delivered; published customer\.created \(event id 1-1-[0-9a-f]{16}\)/);
  assert.ok(!/whsec_/.test(shown.stdout + program.output));
});

test('a subscriber that is gone is paused, and resumed by hand', { timeout: 60_000 }, async (t) => {
  let status = 410;
  const target = await sink(t, ({ path }) => ({ status: path === '/erp' ? status : 200, body: '{}' }));
  const dir = setting(t, target, { format: 'cloudevents' });
  const program = await Tieline.start(t, dir, { env });
  await program.post('crm', signed(contact('c-1', 'DE')));
  const flow = async () => (await program.status()).flows.find((one) => one.name === 'subscriptions/erp');
  await until('it is paused, and its event dead', async () => {
    const { paused, dead } = await flow();
    return /410/.test(paused ?? '') && dead === 1;
  });
  await program.post('crm', signed(contact('c-2', 'DE')));
  await target.until('the other flows had it', () => target.requests.filter(({ path }) => path === '/good').length === 2);
  assert.equal(target.requests.filter(({ path }) => path === '/erp').length, 1);
  status = 200;
  const listed = await tieline(['flow', 'list', '-w', dir], { env });
  assert.match(listed.stdout, /subscriptions\/erp .*paused by its subscriber: answered 410/);
  const resumed = await tieline(['flow', 'resume', 'subscriptions/erp', '-w', dir], { env });
  assert.equal(resumed.code, 0, resumed.stderr);
  await target.until('what waited is sent', () => target.requests.filter(({ path }) => path === '/erp').length === 2);
  const { headers, raw: body } = target.requests.filter(({ path }) => path === '/erp')[1];
  const event = new Webhook(env.NEW_SECRET).verify(body, headers);
  assert.equal(headers['content-type'], 'application/cloudevents+json');
  assert.equal(event.specversion, '1.0');
  assert.equal(event.id, headers['webhook-id']);
  assert.equal(event.source, 'topic/customer.created');
  assert.equal(event.subject, 'c-2');
  assert.deepEqual(event.data, { id: 'c-2', country: 'DE' });
});

test('Standard Webhooks that do not verify are refused', { timeout: 60_000 }, async (t) => {
  const target = await sink(t);
  const program = await Tieline.start(t, setting(t, target), { env });
  const good = signed(contact('c-1', 'DE'), { id: 'msg_1' });
  const refused = async (headers, body = good.body) =>
    (await program.post('crm', { body, headers: { ...good.headers, ...headers } })).status;
  assert.equal(await refused({}, contact('c-2', 'DE')), 401);
  assert.equal(await refused({ 'webhook-id': 'msg_2' }), 401);
  assert.equal(await refused({ 'webhook-signature': good.headers['webhook-signature'].replace('v1,', 'v2,') }), 401);
  assert.equal(await refused({ 'webhook-signature': '' }), 401);
  const late = signed(good.body, { id: 'msg_1', at: new Date(Date.now() - 6 * 60_000) });
  assert.equal((await program.post('crm', late)).status, 401);
  const stranger = signed(good.body, { id: 'msg_1', secret: new_secret() });
  assert.equal((await program.post('crm', stranger)).status, 401);
  // Of several signatures one is enough: a sender whose secret rotates sends both.
  const both = `${stranger.headers['webhook-signature']} v1a,abc ${good.headers['webhook-signature']}`;
  assert.equal(await refused({ 'webhook-signature': both }), 200);
  assert.equal((await program.post('crm', good)).status, 200);
  await target.until('it came once', () => target.requests.some(({ path }) => path === '/good'));
  assert.equal((await program.runs({ flow: 'publish' })).length, 1);
});

test('a person starts a flow, and a flow is paused over a restart', { timeout: 60_000 }, async (t) => {
  const target = await sink(t);
  const dir = workspace(t, {
    connections: { sink: connections.http(target.url) },
    flows: {
      report: `on: [ { manual: true }, { schedule: "0 6 * * mon-fri", zone: Europe/Berlin } ]
steps: [ { call: sink.request.post, with: { path: /report, body: { got: =., by: =$event.source } } } ]
`,
    },
  });
  const checked = await tieline(['check', dir]);
  assert.match(checked.stdout, /report: `0 6 \* \* mon-fri` in Europe\/Berlin comes next at \d{4}-/);
  const program = await Tieline.start(t, dir);
  const start = (...args) => tieline(['start', 'report', '-w', dir, ...args]);
  const started = await start('--data', '{"n":7}', '--id', 'a', '--wait');
  assert.equal(started.code, 0, started.stderr);
  assert.equal(started.stdout, 'report/1: delivered\n');
  assert.equal((await start('--data', '{"n":7}', '--id', 'a')).stdout, 'report/1\n');
  assert.deepEqual(JSON.parse(target.requests[0].raw), { got: { n: 7 }, by: 'manual/report' });
  assert.equal((await start('--data', 'nonsense')).code, 2);
  assert.equal((await tieline(['start', 'nobody', '-w', dir])).code, 1);
  assert.equal((await tieline(['flow', 'pause', 'report', '--why', 'a holiday', '-w', dir])).code, 0);
  assert.equal((await start('--data', '1')).stdout, 'report/2\n');
  assert.match((await tieline(['flow', 'list', '-w', dir])).stdout, /paused by the command line: a holiday; next \d{4}-/);
  await program.stop();
  const again = await Tieline.start(t, dir);
  assert.equal(target.requests.length, 1);
  assert.equal((await tieline(['flow', 'resume', 'report', '-w', dir])).code, 0);
  await target.until('it went on', () => target.requests.length === 2);
  assert.ok(again.alive);
});
