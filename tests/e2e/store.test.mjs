// `tieline store` on a real server: a backup under load that can be started on, compacting, verifying, and the repair
// of a store with a flipped byte.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hook } from './sign.mjs';
import { connections, Tieline, tieline, until, workspace } from './support.mjs';

const flow = `on: { webhook: hook, event: note }
steps:
  - { map: { id: =.id } }
`;
const store = async (dir, ...args) => {
  const { code, stdout, stderr } = await tieline(['store', ...args, '-w', dir, '--json']);
  return { code, stderr, ...(stdout ? JSON.parse(stdout) : {}) };
};
async function send(program, first, count, pad = '') {
  for (let n = first; n < first + count; ++n) {
    const { status, body } = await program.post('hook', hook('note', JSON.stringify({ id: n, pad }), { id: `note-${n}` }));
    assert.equal(status, 200, body);
  }
}
const ids = async (program) => new Set((await program.runs({ flow: 'notes' })).map(({ event_id }) => event_id));
const delivered = (program, count) =>
  until('all are delivered', async () => (await program.runs({ flow: 'notes', state: 'delivered' })).length >= count);

test('a backup under load is a store to start on', async (t) => {
  const dir = workspace(t, { connections: { hook: connections.hook() }, flows: { notes: flow } });
  const program = await Tieline.start(t, dir);
  await send(program, 0, 20);
  await delivered(program, 20);
  const copy = join(dir, 'copy');
  const load = send(program, 20, 200);
  const made = await store(dir, 'backup', copy);
  await load;
  assert.equal(made.code, 0, made.stderr);
  assert.ok(made.last_position >= 20);
  assert.equal(statSync(join(copy, 'secrets.key')).mode & 0o777, 0o600);
  assert.equal(readFileSync(join(copy, 'secrets.key'), 'utf8'), readFileSync(join(dir, 'data/secrets.key'), 'utf8'));
  assert.equal((await store(dir, 'compact')).code, 0);
  const sound = await store(dir, 'verify');
  assert.deepEqual([sound.code, sound.corrupt, sound.places], [0, 0, []]);
  const of_copy = await store(dir, 'verify', copy);
  assert.deepEqual([of_copy.code, of_copy.corrupt], [0, 0]);
  assert.equal(of_copy.events, made.last_position, 'not the store of the server');
  await delivered(program, 220);
  await program.stop();

  const restored = workspace(t, {
    connections: { hook: connections.hook() },
    flows: { notes: flow },
    settings: { store: { url: `sqlite:${copy}` } },
  });
  assert.equal((await store(restored, 'verify')).corrupt, 0);
  const again = await Tieline.start(t, restored);
  await delivered(again, made.last_position);
  const found = await ids(again);
  assert.equal(found.size, made.last_position);
  for (let n = 0; n < made.last_position; ++n) assert.ok(found.has(`note-${n}`), `note-${n} is missing`);
});

test('a damaged event in a full segment is told, mended offline, and started on', { timeout: 240_000 }, async (t) => {
  const dir = workspace(t, { connections: { hook: connections.hook() }, flows: { notes: flow } });
  const program = await Tieline.start(t, dir);
  await send(program, 0, 90, 'x'.repeat(900_000)); // a segment is full at 64 MiB
  await delivered(program, 90);
  const sealed = () => readdirSync(join(dir, 'data')).find((name) => /^sealed-.*\.db$/.test(name));
  await until('a segment is sealed', sealed, { limit_ms: 60_000 });
  await program.stop();
  const file = join(dir, 'data', sealed()),
    bytes = readFileSync(file);
  // Also where it stands no more: pages keep what was moved.
  for (let at = bytes.indexOf('note-33'); at >= 0; at = bytes.indexOf('note-33', at + 1)) bytes[at] ^= 1;
  writeFileSync(file, bytes);

  const told = await store(dir, 'verify');
  assert.equal(told.code, 1);
  assert.match(told.places.join('\n'), /event 34 fails its crc/);
  const mended = await store(dir, 'repair');
  assert.equal(mended.code, 0, mended.stderr);
  assert.equal(mended.events_aside, 1);
  assert.ok(existsSync(mended.aside_file.startsWith('/') ? mended.aside_file : join(dir, mended.aside_file)));
  assert.equal((await store(dir, 'verify')).corrupt, 0);
  const again = await Tieline.start(t, dir);
  await send(again, 90, 5);
  await delivered(again, 94);
});
