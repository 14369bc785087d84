// What the operator's commands and the log say: no acknowledged event is absent from a list, what was refused is told with
// its reason, and wrong questions end with the exit codes of the help pages.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hook } from './sign.mjs';
import { binary, connections, secrets, Tieline, tieline, until, workspace } from './support.mjs';
import { sink } from './vendors.mjs';

const flow = `on: { webhook: hook, event: thing }
index: { order: .n }
steps:
  - { call: sink.request.get, with: { path: ="/slow/\\(.n)" } }
`;

function setting(t, target) {
  return workspace(t, {
    connections: { hook: connections.hook(), other: connections.hook(), sink: connections.http(target.url) },
    flows: { things: flow },
  });
}

const lines = async (dir, ...args) => {
  const { code, stdout, stderr } = await tieline(['events', '-w', dir, ...args]);
  assert.equal(code, 0, stderr);
  return stdout.trim().split('\n').slice(1);
};

test('an event whose first call is under way is pending, also after kill -9', { timeout: 60_000 }, async (t) => {
  const target = await sink(t, () => new Promise(() => {}));
  const dir = setting(t, target);
  const program = await Tieline.start(t, dir);
  assert.equal((await program.post('hook', hook('thing', '{"n":7}'))).status, 200);
  await target.until('the call is under way', () => target.requests.length === 1);
  const pending = async (when) => {
    for (const args of [['--status', 'pending'], ['--key', 'order=7'], []]) {
      const found = await lines(dir, ...args);
      assert.equal(found.length, 1, `${when}: ${args}`);
      assert.match(found[0], /^things\/1 .* pending /, when);
    }
    const { stdout } = await tieline(['show', '-w', dir, '1']);
    assert.match(stdout, /Run things\/1: pending\n.*first call is under way/, when);
  };
  await pending('running');
  program.child.kill('SIGKILL');
  await program.exit;
  await pending('killed');
});

test('an event that no flow takes is listed as unmatched', { timeout: 60_000 }, async (t) => {
  const dir = setting(t, await sink(t));
  const program = await Tieline.start(t, dir);
  assert.equal((await program.post('hook', hook('thin', '{"n":1}'))).status, 200);
  assert.match((await lines(dir, '--status', 'unmatched'))[0], /^1 .* unmatched /);
  assert.match((await tieline(['show', '-w', dir, '1'])).stdout, /No flow takes it/);
});

test('what the door refused is told by send, by events --refused and by the log', { timeout: 60_000 }, async (t) => {
  const dir = setting(t, await sink(t));
  const program = await Tieline.start(t, dir);
  const file = join(dir, 'thing.json');
  writeFileSync(file, '{"n":1}');
  const sent = await tieline(['send', '-w', dir, file], { env: { HOOK_SECRET: 'wrong' } });
  assert.equal(sent.code, 1);
  assert.match(sent.stderr, /the server refused it: bad_signature/);
  for (let i = 0; i < 20; ++i) await program.post('hook', hook('thing', '{"n":2}', { secret: 'wrong' }));
  const refused = await tieline(['events', '-w', dir, '--refused']);
  assert.match(refused.stdout, /^hook +21 .* bad_signature /m);
  await program.says(/bad_signature[^\n]*; 10 so far/);
  const logged = program.output.split('\n').filter((line) => line.includes('bad_signature'));
  assert.equal(logged.length, 2, 'the first and the tenth');
  assert.match(logged[0], /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ warning refused a request to \/hooks\/hook: bad_signature/);
});

test('a dead letter is one line of the log', { timeout: 60_000 }, async (t) => {
  const dir = setting(t, await sink(t, () => ({ status: 400 })));
  const program = await Tieline.start(t, dir);
  await program.post('hook', hook('thing', '{"n":1}'));
  await until('it is dead', async () => (await program.status()).flows[0].dead === 1);
  await program.says(/Z error dead letter: things\/1: .*`tieline show things\/1`/);
});

test('send waits for a server that is starting', { timeout: 60_000 }, async (t) => {
  const dir = setting(t, await sink(t));
  const file = join(dir, 'thing.json');
  writeFileSync(file, '{"n":1}');
  const child = spawn(binary, ['send', '-w', dir, file], { env: { PATH: process.env.PATH, ...secrets } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (output += part));
  const ended = new Promise((done) => child.on('exit', done));
  await until('it waits', () => output.includes('waits for one'));
  await Tieline.start(t, dir);
  assert.equal(await ended, 0, output);
});

test('send refuses what this vendor would say in no header', { timeout: 60_000 }, async (t) => {
  const dir = workspace(t, {
    connections: { events: { connector: 'standard-webhooks', secrets: { secret: 'env:WEBHOOKS' } } },
    flows: { things: 'on: { webhook: events }\nsteps:\n  - stop: true\n' },
  });
  const file = join(dir, 'thing.json');
  writeFileSync(file, '{"type":"customer.created"}');
  const env = { WEBHOOKS: `whsec_${Buffer.alloc(24, 7).toString('base64')}` };
  const typed = await tieline(['send', '-w', dir, '--type', 'order.created', file], { env });
  assert.equal(typed.code, 2, typed.stderr);
  assert.match(typed.stderr, /--type does nothing here: of events no header says the event's type/);
  const program = await Tieline.start(t, dir, { env });
  for (const expected of [/"id":"e-1"/, /duplicate|"id":"e-1"/]) {
    const sent = await tieline(['send', '-w', dir, '--id', 'e-1', file], { env });
    assert.equal(sent.code, 0, sent.stderr);
    assert.match(sent.stdout, expected);
  }
  assert.equal((await program.status()).duplicates, 1, 'the id stands in webhook-id');
});

test('wrong usage ends with 2, what is not there with 1', { timeout: 60_000 }, async (t) => {
  const dir = setting(t, await sink(t));
  await Tieline.start(t, dir);
  const bad = join(dir, 'bad.json');
  writeFileSync(bad, '{"n": }');
  for (const [code, said, ...args] of [
    [2, /^[^ ]*bad\.json:1:7: error: expected a value/, 'start', 'things', '-w', dir, '--data', `@${bad}`],
    [1, /no flow is called thing; did you mean "things"\?/, 'flow', 'pause', 'thing', '-w', dir],
    [1, /no flow "thing" ever ran here; did you mean "things"\?/, 'dead', 'list', '--flow', 'thing', '-w', dir],
    [1, /no flow "thing" ever ran here; did you mean "things"\?/, 'replay', '--flow', 'thing', '--dry-run', '-w', dir],
    [1, /there is no directory .*nowhere/, 'store', 'verify', join(dir, 'nowhere'), '-w', dir],
    [2, /no state "bogus"/, 'events', '-w', dir, '--status', 'bogus'],
    [2, /a key is NAME=VALUE/, 'events', '-w', dir, '--key', 'foo'],
    [1, /did you mean "order"/, 'events', '-w', dir, '--key', 'ordr=1'],
    [2, /is not a run/, 'held', 'delivered', '1', '-w', dir],
    [2, /takes no "extra"/, 'held', 'list', 'extra', '-w', dir],
    [2, /tier is one of/, 'double', 'hubspot', '--variable', 'tier=bogus'],
    [0, /^/, 'events', '-w', dir, '--since', '2026-11-25'],
    [2, /--version/, 'version'],
    [3, /^/, 'check', '--json', join(dir, 'nowhere')],
  ]) {
    const result = await tieline(args);
    assert.equal(result.code, code, args.join(' ') + result.stderr);
    assert.match(result.stderr, said);
  }
  const missing = await tieline(['check', '--json', join(dir, 'nowhere')]);
  assert.equal(JSON.parse(missing.stdout)[0].severity, 'error');
});

test('an announcement that cannot be written ends the start', { timeout: 60_000 }, async (t) => {
  const dir = setting(t, await sink(t));
  const { code, stderr } = await tieline(['run', dir, '--announce', join(dir, 'nowhere/file')]);
  assert.equal(code, 1);
  assert.match(stderr, /--announce: cannot write/);
});
