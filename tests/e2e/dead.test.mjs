// Dead letters and what a person does about them, through the program's commands: grouped by cause, counted before
// anything is done, edited, replayed once each and in order, found by what they are about.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hook } from './sign.mjs';
import { connections, Tieline, tieline, until, workspace, write_flow } from './support.mjs';
import { Counter, sink } from './vendors.mjs';

const flow = `on: { webhook: hook, event: thing }
key: .lane
index: { order: .n }
steps:
  - { call: sink.request.post, with: { path: /first, body: { n: =.n } }, replay: skip, as: first }
  - { call: sink.request.post, with: { path: =(.path // "/second"), body: { n: =.n, lane: =.lane } } }
`;

function setting(t, target, flows = { things: flow }) {
  return workspace(t, { connections: { hook: connections.hook(), sink: connections.http(target.url) }, flows });
}

const command = async (dir, code, ...args) => {
  const result = await tieline([...args.slice(0, 1), '-w', dir, ...args.slice(1)]);
  assert.equal(result.code, code, `${args.join(' ')}\n${result.stdout}${result.stderr}`);
  return result.stdout + result.stderr;
};
const dead_count = async (dir) => JSON.parse(await command(dir, 0, 'dead', 'list', '--json')).total;
const job_done = (dir) =>
  until('the jobs are done', async () =>
    JSON.parse(await command(dir, 0, 'replay', '--jobs', '--json')).jobs.every(({ state }) => state === 'done'),
  );

test('3,000 dead letters are replayed once each and in order, over a kill', { timeout: 240_000 }, async (t) => {
  const kEvents = 3000;
  let refuses = true,
    kill = () => {};
  const target = await sink(t, ({ path, json }) => {
    kill();
    return path === '/second' && refuses ? { status: 422, body: `"contact ${json.n} is not there"` } : {};
  });
  const dir = setting(t, target);
  let program = await Tieline.start(t, dir);
  for (let n = 0; n < kEvents; n += 50) {
    const batch = [];
    for (let i = n; i < n + 50; ++i)
      batch.push(program.post('hook', hook('thing', JSON.stringify({ n: i, lane: i % 40 }))));
    for (const answer of await Promise.all(batch)) assert.equal(answer.status, 200);
  }
  await until('all are dead', async () => (await program.status()).flows[0].dead === kEvents, { limit_ms: 120_000 });

  const causes = JSON.parse(await command(dir, 0, 'dead', 'list', '--json'));
  assert.equal(causes.groups.length, 1, JSON.stringify(causes.groups.slice(0, 3)));
  const [{ group, count, step, category }] = causes.groups;
  assert.deepEqual([count, step, category], [kEvents, 2, 'validation']);
  const asked = await command(dir, 2, 'dead', 'replay', '--group', group);
  assert.match(asked, /This replays 3,000 runs of things from the failed step\. Nobody can be asked here: say --yes/);
  assert.match(await command(dir, 0, 'dead', 'replay', '--group', group, '--dry-run'), /Nothing was done/);
  assert.match(await command(dir, 0, 'dead', 'replay', '--group', 'deadbeef'), /no run is selected/);
  assert.equal(await dead_count(dir), kEvents);

  refuses = false;
  target.requests.length = 0;
  assert.match(await command(dir, 0, 'dead', 'replay', '--group', group, '--yes'), /job 1 replays 3,000 runs/);
  kill = () => {
    if (target.requests.length > 300) program.child.kill('SIGKILL');
  };
  await program.exit;
  kill = () => {};
  assert.ok(target.requests.length < kEvents, 'it was killed in the middle');
  program = await Tieline.start(t, dir);
  // What was about to leave, or was not answered, before the kill: a person who looks at the vendor decides it.
  await until(
    'nothing is left',
    async () => {
      const held = await program.runs({ flow: 'things', state: 'held' });
      for (const { run } of held) {
        const { data } = await program.get(`/api/events/${encodeURIComponent(run)}`);
        const arrived = target.requests.some(({ json }) => json.n === data.n);
        await command(dir, 0, 'held', arrived ? 'delivered' : 'repeat', run);
      }
      return held.length === 0 && (await dead_count(dir)) === 0 && (await program.runs({ flow: 'things', state: 'delivered' })).length === kEvents;
    },
    { limit_ms: 120_000, every_ms: 250 },
  );
  await job_done(dir);
  const times = new Counter();
  const last = new Map();
  for (const { path, json } of target.requests) {
    assert.equal(path, '/second', 'what was done is not done again');
    times.add(json.n);
    assert.ok(json.n >= (last.get(json.lane) ?? 0), `order ${json.n} in lane ${json.lane}`);
    last.set(json.lane, json.n);
  }
  assert.deepEqual(times.over(1), []);
  assert.equal(times.size, kEvents, 'each exactly once');
});

test('an edited dead letter is delivered with the new data, and the event stays', { timeout: 60_000 }, async (t) => {
  const target = await sink(t, ({ path }) => (path === '/wrong' ? { status: 404 } : {}));
  const dir = setting(t, target);
  const program = await Tieline.start(t, dir);
  await program.post('hook', hook('thing', '{"n":1042,"path":"/wrong"}'));
  await until('it is dead', async () => (await dead_count(dir)) === 1);
  const file = join(dir, 'new.json');
  writeFileSync(file, '{"n": 1042, ');
  assert.match(await command(dir, 2, 'dead', 'edit', 'things/1', '--data', file), /new\.json/);
  writeFileSync(file, '{"n":1042,"path":"/right"}');
  assert.match(await command(dir, 0, 'dead', 'edit', 'things/1', '--data', `@${file}`), /edited; `tieline dead replay/);
  assert.match(await command(dir, 0, 'dead', 'replay', 'things/1'), /things\/1: is replayed from the failed step/);
  await until('it is delivered', async () => (await program.runs({ flow: 'things', state: 'delivered' })).length === 1);
  assert.deepEqual(
    target.requests.map(({ path }) => path),
    ['/first', '/wrong', '/right'],
  );
  const shown = await command(dir, 0, 'show', 'things/1', '--data');
  assert.match(shown, /data edited by .*at the command line|data edited by the command line/);
  assert.match(shown, /replayed by .*from the failed step/);
  assert.match(shown, /"path": "\/wrong"[^]*edited[^]*"path": "\/right"/);

  const found = await command(dir, 0, 'find', '1042');
  assert.match(found, /hook sent thing \(event 1[^]*sink\.request\.post: answered 404[^]*dead letter[^]*edited[^]*replayed[^]*delivered/);
  assert.equal(await command(dir, 0, 'find', 'order=1042'), found);
  assert.equal(await command(dir, 0, 'find', 'things/1'), found);
  assert.match(await command(dir, 0, 'find', '1042', '--count', '2'), /^\(\d+ older lines are left out\)\n[^]*\n.*delivered\n$/);
  assert.match(await command(dir, 1, 'find', 'order=7'), /nothing is known of "order=7"[^]*a paused one has not/);
  assert.match(await command(dir, 1, 'find', 'ordr=1042'), /no flow has or had an index "ordr": there are order$/m);
  assert.match(await command(dir, 2, 'find', ''), /say what to find, as in `tieline find 1042`/);
  await program.stop();
  assert.equal(await command(dir, 0, 'find', '1042'), found, 'the same without a server');
});

test('delivered events are replayed with the flow as it is now, and dead ones discarded', { timeout: 60_000 }, async (t) => {
  const target = await sink(t, ({ json }) => (json?.n === 3 ? { status: 400 } : {}));
  const dir = setting(t, target);
  const program = await Tieline.start(t, dir);
  for (const n of [1, 2, 3]) await program.post('hook', hook('thing', `{"n":${n}}`));
  await until('all ended', async () => (await program.status()).flows[0].delivered === 2 && (await dead_count(dir)) === 1);
  write_flow(dir, 'things', flow.replace('"/second"', '"/third"'));
  assert.equal((await program.reload()).status, 200);
  target.requests.length = 0;
  assert.match(await command(dir, 2, 'replay', '--flow', 'things', '--as', 'now', '--from', 'failed', '--yes'), /as now begins/);
  assert.match(await command(dir, 0, 'replay', '--flow', 'things', '--as', 'now', '--since', '1h', '--yes'), /job 1 replays 2 runs/);
  await target.until('they are made again', () => target.requests.length === 2);
  await job_done(dir);
  assert.deepEqual(new Set(target.requests.map(({ path }) => path)), new Set(['/third']), '/first is to be skipped');
  assert.match(await command(dir, 0, 'dead', 'discard', '--flow', 'things', '--yes'), /job 2 discards/);
  await until('it is discarded', async () => (await program.runs({ flow: 'things', state: 'discarded' })).length === 1);
  assert.match(await command(dir, 0, 'show', 'things/3'), /discarded by/);
  assert.match(await command(dir, 0, 'dead'), /there are no dead letters/);
  assert.match(await command(dir, 2, 'dead', 'replay'), /which runs/);
  assert.match(await command(dir, 2, 'dead', 'relpay'), /did you mean "replay"/);
});
