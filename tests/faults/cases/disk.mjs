// The disk: full, failing, and damaged files of every kind.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, cpSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync, writeSync } from 'node:fs'; // prettier-ignore
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { http, until } from '../../e2e/support.mjs';
import { errnos } from '../control.mjs';
import { Trial, wait } from '../trial.mjs';

const counts = (trial) => trial.recorder.call('counts');
const taken_again = async (trial) => {
  const { acked } = await counts(trial);
  await until('webhooks are taken again', async () => (await counts(trial)).acked > acked + 5, { limit_ms: 30_000 });
};
const refused_for = (trial, reason) =>
  until(`a webhook is refused: ${reason}`, async () => (await counts(trial)).reasons.some((said) => reason.test(said)), {
    limit_ms: 30_000,
    describe: async () => JSON.stringify(await counts(trial)),
  });
async function not_ready(trial, why) {
  const { status, body } = await until('health says so', async () => {
    const answer = await http(`${trial.program.admin}/readyz`);
    return answer.status === 503 && answer;
  });
  assert.equal(status, 503);
  assert.match(body, why, 'health says why');
  return body.trim();
}

// A disk of its own, small; undefined where mounting is not allowed.
function small_disk(t) {
  const dir = mkdtempSync(join(tmpdir(), 'tieline-disk-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400m', 'tmpfs', dir], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  t.after(() => execFileSync('umount', ['-l', dir]));
  return dir;
}

// Takes all the room that there is.
function fill_up(file) {
  const to = openSync(file, 'w'),
    block = Buffer.alloc(1 << 20);
  try {
    for (;;) writeSync(to, block);
  } catch (error) {
    if (error.code !== 'ENOSPC') throw error;
  } finally {
    closeSync(to);
  }
}

async function full({ t, seed, rounds, note }, { small }) {
  const disk = small ? small_disk(t) : undefined;
  if (small && !disk) note('no tmpfs can be mounted here: the shim says that the disk is full');
  const trial = await Trial.begin(t, { seed, store: disk && join(disk, 'data') });
  await trial.start();
  await trial.recorder.call('begin', { url: trial.hook, per_second: 30 });
  for (let round = 0; round < rounds; ++round) {
    await wait(1500);
    if (disk) fill_up(join(disk, 'filler'));
    else trial.control.set({ full: 1 });
    await refused_for(trial, /^503/);
    const why = await not_ready(trial, /disk|space|full/i);
    if (round === 0) note(`refused with 503; health: ${why}`);
    await wait(2000);
    if (disk) unlinkSync(join(disk, 'filler'));
    else trial.control.set({ full: 0 });
    await taken_again(trial);
  }
  await trial.recorder.call('quiet');
  await trial.settle();
  const row = await trial.judge();
  await trial.program.stop();
  await trial.start(); // and what it wrote when it was full can be read
  await trial.judge();
  return row;
}

async function failing({ t, seed, rounds, note }) {
  const trial = await Trial.begin(t, { seed });
  for (let round = 0; round < rounds; ++round) {
    const what = ['sync_error', 'write_error'][round % 2];
    trial.control.set({ lose: 1, seed: seed + round, die_now: 0 });
    await trial.start();
    await trial.recorder.call('begin', { url: trial.hook, per_second: 30 });
    await wait(500 + trial.random() * 1000);
    trial.control.set({ [what]: errnos.EIO });
    const why = await not_ready(trial, /refuses until it is restarted/);
    trial.control.set({ [what]: 0 });
    const before = (await counts(trial)).statuses[503] ?? 0;
    await until('webhooks are refused', async () => (await counts(trial)).statuses[503] > before);
    if (round < 2) note(`${what === 'sync_error' ? 'failed fsync' : 'EIO at a write'}; health: ${why}`);
    // Nothing fails any more, and nothing is taken all the same.
    const { acked } = await counts(trial);
    await wait(1000);
    assert.equal((await counts(trial)).acked, acked, 'nothing is acknowledged after a failed sync');
    await trial.recorder.call('quiet');
    // What the failed sync had to write is lost when it ends.
    trial.control.set({ die_now: 1 });
    trial.program.child.kill('SIGTERM');
    await trial.died();
    trial.control.clear();
    await trial.start();
    await trial.settle();
    await trial.program.stop();
  }
  await trial.start();
  return trial.judge();
}

// Damage.

const kinds_of_files = {
  sealed: /^sealed-.*\.db$/,
  segment: /^seg-.*\.db$/,
  wal: /^seg-.*\.db-wal$/,
  'state.db': /^state\.db$/,
  'state.db-wal': /^state\.db-wal$/,
  end: /^end$/,
  'next.db': /^next\.db$/,
  'server.json': /^server\.json$/,
};
const harms = {
  flip: (file, random) => {
    const bytes = readFileSync(file);
    for (let i = 0; i < 3; ++i) bytes[Math.floor(random() * bytes.length)] ^= 1 << Math.floor(random() * 8);
    writeFileSync(file, bytes);
  },
  'flip at the end': (file, random) => {
    const bytes = readFileSync(file);
    bytes[bytes.length - 1 - Math.floor(random() * Math.min(bytes.length, 8192))] ^= 1;
    writeFileSync(file, bytes);
  },
  zeroes: (file, random) => {
    const bytes = readFileSync(file),
      at = Math.floor(random() * bytes.length);
    writeFileSync(file, bytes.fill(0, at, Math.min(at + 4096, bytes.length)));
  },
  cut: (file, random) => truncateSync(file, Math.floor(random() * statSync(file).size)),
  empty: (file) => truncateSync(file, 0),
  gone: (file) => unlinkSync(file),
};

// A store with a file of every kind, left by a kill.
async function damaged_store(trial) {
  await trial.start();
  await trial.recorder.call('send', { url: trial.hook, count: 90, pad: 900_000 });
  await trial.settle();
  await until('a segment is sealed', () => readdirSync(trial.store).some((name) => kinds_of_files.sealed.test(name)), { limit_ms: 120_000 });
  await trial.recorder.call('send', { url: trial.hook, count: 60 });
  await trial.settle();
  await trial.kill();
}

async function ready(trial, args = []) {
  const program = await trial.start({ wait: false, args });
  return program.ready.then(
    () => true,
    () => false,
  );
}

async function damage({ t, seed, rounds, note }) {
  const trial = await Trial.begin(t, { seed });
  await damaged_store(trial);
  const copy = mkdtempSync(join(tmpdir(), 'tieline-copy-'));
  t.after(() => rmSync(copy, { recursive: true, force: true }));
  cpSync(trial.store, copy, { recursive: true });
  await trial.recorder.call('remember');
  let row;
  for (const [kind, pattern] of Object.entries(kinds_of_files)) {
    const told = { whole: 0, counted: 0, refused: 0, absent: 0, held: 0, doubled: 0 };
    for (const [name, harm] of Object.entries(harms)) {
      for (let round = 0; round < (['empty', 'gone'].includes(name) ? 1 : rounds); ++round) {
        rmSync(trial.store, { recursive: true });
        cpSync(copy, trial.store, { recursive: true });
        const file = readdirSync(trial.store).find((one) => pattern.test(one));
        if (!file) continue;
        await trial.recorder.call('rewind');
        if (process.env.KEEP) cpSync(trial.store, process.env.KEEP, { recursive: true });
        harm(join(trial.store, file), trial.random);
        trial.output = '';
        trial.program = undefined;
        const what = `${kind}, ${name}, round ${round}`;
        try {
          const found = await goes_on(trial);
          row = found.row;
          told[found.how] += 1;
          for (const of of ['absent', 'held', 'doubled']) told[of] = Math.max(told[of], row[of]);
        } catch (error) {
          error.message = `${what}: ${error.message}\n${trial.said.slice(0, 3000)}`;
          throw error;
        }
      }
    }
    note(`${kind}: ${told.whole} went on whole, ${told.counted} with damage counted, ${told.refused} refused; at most ${told.absent} absent, ${told.held} held, ${told.doubled} doubled`); // prettier-ignore
  }
  return row;
}

// It starts, or says clearly why it does not and what to do; then it starts when it is told to.
async function goes_on(trial) {
  let how = 'whole';
  if (!(await ready(trial))) {
    const { code } = await trial.program.exit;
    assert.equal(code, 1, `it ended with ${code}:\n${trial.program.output}`);
    assert.match(trial.program.output, /damaged|corrupt|cannot be read|lacks|missing|may be lost/, 'it says what is wrong');
    assert.match(trial.program.output, /--accept-loss/, 'it says what to do');
    assert.ok(await ready(trial, ['--accept-loss']), `not with --accept-loss either:\n${trial.program.output}`);
    how = 'refused';
    assert.match(trial.said, /set aside|lost|saved|damaged/, 'what is given up is told');
  }
  await trial.settle();
  const row = await trial.judge({ lost: true, repeats: how === 'refused', held: true, least: 150 });
  const { corrupt } = await trial.program.get('/api/store');
  if (how === 'whole' && (corrupt > 0 || row.held > 0 || row.absent > 0)) how = 'counted';
  await trial.program.stop('SIGKILL');
  return { how, row };
}

export const disk = [
  { name: 'disk-full', what: 'a small disk that fills up, ROUNDS times', rounds: 2, run: (how) => full(how, { small: true }) },
  {
    name: 'no-space',
    what: 'every write that needs room fails with ENOSPC, ROUNDS times',
    rounds: 2,
    quick: 1,
    run: (how) => full(how, { small: false }),
  },
  {
    name: 'io-errors',
    what: 'a failed fsync, or EIO, until it refuses; what was to be written is lost at the end',
    rounds: 6,
    quick: 1,
    run: failing,
  },
  { name: 'damage', what: 'flipped, zeroed, cut and missing files of every kind', rounds: 5, quick: 0, run: damage },
];
