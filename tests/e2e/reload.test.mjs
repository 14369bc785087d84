// Changing a workspace under a running program, and ending it: a run keeps the flow that it began with, a configuration
// that does not load changes nothing, SIGTERM finishes what is in flight.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { hook } from './sign.mjs';
import { connections, Tieline, tieline, until, workspace, write_connector, write_flow } from './support.mjs';
import { sink } from './vendors.mjs';

// Two calls, so that a run can be between them.
const flow = (path) => `on: { webhook: hook, event: thing }
steps:
  - { call: sink.request.put, with: { path: ="${path}/first/\\(.n)", body: =. } }
  - { call: sink.request.put, with: { path: ="${path}/second/\\(.n)", body: =. } }
`;

async function setting(t, settings = {}) {
  const target = await sink(t);
  const dir = workspace(t, {
    settings,
    connections: { hook: connections.hook(), sink: connections.http(target.url) },
    flows: { things: flow('/old') },
  });
  const program = await Tieline.start(t, dir);
  let last = 0;
  const send = async () => {
    const n = ++last;
    assert.equal((await program.post('hook', hook('thing', JSON.stringify({ n })))).status, 200);
    return n;
  };
  const arrived = (path) =>
    target.until(`${path} arrives`, () => target.requests.some((request) => request.path === path));
  return { target, dir, program, send, arrived };
}

for (const [name, reload] of [
  [
    'SIGHUP',
    async ({ program }) => {
      program.child.kill('SIGHUP');
    },
  ],
  [
    'POST /api/reload',
    async ({ program }) => {
      assert.equal((await program.reload()).status, 200);
    },
  ],
  [
    'tieline reload',
    async ({ dir }) => {
      const { code, stdout, stderr } = await tieline(['reload', '--workspace', dir]);
      assert.equal(code, 0, stdout + stderr);
    },
  ],
]) {
  test(`${name} takes a changed flow; a run in flight keeps the one it began with`, async (t) => {
    const s = await setting(t);
    let let_go;
    const held_back = new Promise((done) => {
      let_go = done;
    });
    s.target.answer = async ({ path }) => {
      if (path === '/old/first/1') await held_back;
    };
    await s.send();
    await s.arrived('/old/first/1');
    write_flow(s.dir, 'things', flow('/new'));
    await reload(s);
    await until('a new event goes the new way', async () => {
      const n = await s.send();
      await s.target.until('the event arrives somewhere', () =>
        s.target.requests.some(({ path }) => path.endsWith(`/second/${n}`)),
      );
      return s.target.requests.some(({ path }) => path === `/new/second/${n}`);
    });
    let_go();
    await s.arrived('/old/second/1');
    assert.ok(!s.target.requests.some(({ path }) => path === '/new/second/1'));
  });
}

test('a broken flow changes nothing and says where it is broken', async (t) => {
  const s = await setting(t);
  write_flow(s.dir, 'things', flow('/new').replace('sink.request.put', 'sink.request.putt'));
  const answer = await s.program.reload();
  assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${answer.body}`);
  assert.match(answer.body, /things\.yaml:3:\d+/);
  assert.match(answer.body, /putt/);
  s.program.child.kill('SIGHUP');
  await s.program.says(/things\.yaml:3:\d+/);
  const n = await s.send();
  await s.arrived(`/old/second/${n}`);
});

const stock = (path) => `connector: stock
title: Our stock
category: shipping
variables: { address: {} }
base_url: "{address|raw}"
resources: { items: { actions: { put: { put: "${path}/{n}", args: { n: string } } } } }
`;

test("a reload takes a changed connector of the workspace's own, for runs that wait, too", async (t) => {
  const target = await sink(t, ({ path }) => ({ status: path.startsWith('/old/') ? 503 : 200 }));
  const dir = workspace(t, {
    connectors: { stock: stock('/old') },
    connections: {
      hook: connections.hook(),
      store: { connector: 'stock', variables: { address: target.url }, private_addresses: true },
    },
    flows: {
      things: `on: { webhook: hook, event: thing }
retry: { first: 100ms, max: 200ms, for: 1h }
steps: [ { call: store.items.put, with: { n: =.n } } ]
`,
    },
  });
  const program = await Tieline.start(t, dir);
  assert.equal((await program.post('hook', hook('thing', '{"n":1}'))).status, 200);
  const arrived = (path) => target.until(`${path} arrives`, () => target.requests.some((request) => request.path === path));
  await arrived('/old/1');

  write_connector(dir, 'stock', stock('/new').replace('category', 'catgory'));
  const refused = await program.reload();
  assert.equal(refused.status, 400, refused.body);
  assert.match(refused.body, /connectors\/stock\.yaml:3:1: error: unknown key \\"catgory\\"/);
  const before = target.requests.length;
  await target.until('it is tried again as before', () => target.requests.length > before);
  assert.equal(target.requests.at(-1).path, '/old/1');

  write_connector(dir, 'stock', stock('/new'));
  assert.equal((await program.reload()).status, 200);
  await arrived('/new/1');
  await until('it is delivered', async () => (await program.status()).flows[0].delivered === 1);
});

test('SIGTERM finishes the call in flight, takes nothing new, and exits with 0', async (t) => {
  const s = await setting(t);
  s.target.answer = async ({ path }) => {
    if (path.startsWith('/old/first')) await s.program.says(/ stopping/);
  };
  const n = await s.send();
  await s.arrived(`/old/first/${n}`);
  assert.deepEqual(await s.program.stop('SIGTERM'), { code: 0, signal: null });
  const again = await Tieline.start(t, s.dir);
  await s.arrived(`/old/second/${n}`);
  await until('it is delivered', async () => (await again.status()).flows[0].delivered === 1);
  assert.equal(
    s.target.requests.filter(({ path }) => path === `/old/first/${n}`).length,
    1,
    'the finished call is not sent again',
  );
});

test('SIGTERM ends in time when a vendor never answers', { timeout: 60_000 }, async (t) => {
  const s = await setting(t, { drain: '1s' });
  s.target.answer = () => new Promise(() => {});
  await s.send();
  await s.arrived('/old/first/1');
  assert.deepEqual(await s.program.stop('SIGTERM'), { code: 0, signal: null });
  assert.match(s.program.output, /Z info stopping: waits up to 1s .* told again, it stops now/);
  s.target.answer = () => ({});
  await Tieline.start(t, s.dir);
  await s.arrived('/old/second/1');
});

test('SIGTERM in the middle of a reload ends both', { timeout: 60_000 }, async (t) => {
  const s = await setting(t);
  for (let i = 0; i < 60; ++i) write_flow(s.dir, `more-${i}`, flow(`/more-${i}`));
  s.program.child.kill('SIGHUP');
  await s.program.says(/SIGHUP: loads the workspace again/);
  assert.deepEqual(await s.program.stop('SIGTERM'), { code: 0, signal: null });
});

test('half a request from a stranger takes nothing from the drain', { timeout: 60_000 }, async (t) => {
  const s = await setting(t, { drain: '10m' });
  const { hostname, port } = new URL(s.program.hooks);
  const stranger = connect(Number(port), hostname);
  t.after(() => stranger.destroy());
  stranger.on('error', () => {});
  await new Promise((done) => stranger.write('POST /hooks/hook HTTP/1.1\r\nHost: x\r\n', done));
  s.target.answer = async ({ path }) => {
    if (path.startsWith('/old/first')) await s.program.says(/ stopping/);
  };
  const n = await s.send();
  await s.arrived(`/old/first/${n}`);
  assert.deepEqual(await s.program.stop('SIGTERM'), { code: 0, signal: null });
});

test('told to stop twice, it stops at once', { timeout: 60_000 }, async (t) => {
  const s = await setting(t, { drain: '10m' });
  s.target.answer = () => new Promise(() => {});
  await s.send();
  await s.arrived('/old/first/1');
  s.program.child.kill('SIGTERM');
  await s.program.says(/ stopping/);
  assert.deepEqual(await s.program.stop('SIGTERM'), { code: 1, signal: null });
});

test('a reload names what waits for a start', async (t) => {
  const s = await setting(t);
  const file = join(s.dir, 'tieline.yaml');
  const settings = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...settings, limits: { body: '2MiB' } }));
  const { body } = await s.program.reload();
  assert.match(body, /reloaded: 1 flow, 2 connections; what is new in `limits\.body` takes effect at the next start/);
  writeFileSync(file, JSON.stringify(settings));
  assert.doesNotMatch((await s.program.reload()).body, /next start/, 'it is again what the server began with');
});
