// Deaths: at random moments, at each commit point, with what was not synced lost, and one that is no death at all.
import assert from 'node:assert/strict';
import { every_kind, hows, kinds } from '../control.mjs';
import { Trial, wait } from '../trial.mjs';

async function kill({ t, seed, rounds }) {
  const trial = await Trial.begin(t, { seed, shim: false });
  await trial.recorder.call('vendor_faults', true);
  await trial.recorder.call('begin', { url: trial.hook, per_second: 15 });
  for (let round = 1; round <= rounds; ++round) {
    // Not even until it serves, now and then.
    const program = await trial.start({ wait: trial.random() >= 0.15 });
    await wait(program.hooks ? 100 + trial.random() * 1800 : trial.random() * 60);
    await trial.kill();
  }
  await trial.recorder.call('vendor_faults', false);
  await trial.start();
  await trial.recorder.call('quiet');
  await trial.settle();
  return trial.judge({ least: rounds * 3 });
}

// A short history: a start, a few orders, what becomes of them, and a stop. True when it died on the way.
async function history(trial, orders) {
  const program = await trial.start({ wait: false });
  const over = program.exit.then(() => 'over');
  const alive = await Promise.race([program.ready.then(() => true, () => false), over]); // prettier-ignore
  if (alive === true) {
    const sent = trial.recorder.call('send', { url: trial.hook, once: true, ...orders });
    await Promise.race([sent.then(() => trial.settle()).catch(() => over), over]);
    await sent;
    if (program.alive) program.child.kill('SIGTERM');
  }
  const { signal, code } = await program.exit;
  assert.ok(signal === 'SIGKILL' || code === 0, `it ended with ${signal ?? code}:\n${program.output}`);
  if (signal === 'SIGKILL') trial.deaths += 1;
  return signal === 'SIGKILL';
}

// After a death: it starts by itself, needs no word of a person, ends what it began, and what was promised holds.
async function recovers(trial, what, judged = { least: 0 }) {
  trial.control.set({ die_at: 0, die_now: 0, lose: 0 });
  try {
    await trial.start();
    await trial.settle();
    const row = await trial.judge(judged);
    await trial.program.stop();
    return row;
  } catch (error) {
    error.message = `${what}: ${error.message}`;
    throw error;
  }
}

const add = (rows) =>
  rows.reduce((all, row) => Object.fromEntries(Object.keys(row).map((key) => [key, (all[key] ?? 0) + row[key]])), {});

// How many points a history has that begins with an empty store.
async function count(trial, { orders, of }) {
  trial.control.set({ kinds: of, points: 0, die_at: 0 });
  await history(trial, orders);
  const points = trial.control.get('points');
  await trial.begin_anew();
  return points;
}

// Dies before, after and within the points of a history, each time with an empty store: of all or, with `rounds`, of as
// many in each way.
async function points({ t, seed, rounds, note }, { orders, of, ways, ...more }) {
  const trial = await Trial.begin(t, { seed, ...more });
  const last = await count(trial, { orders, of }),
    step = rounds === 0 ? 1 : Math.max(1, Math.floor(last / rounds));
  const rows = [];
  for (const how of ways) {
    let deaths = 0;
    for (let point = 1 + Math.floor(trial.random() * step); point <= last; point += step) {
      trial.control.set({ kinds: of, points: 0, die_at: point, die_how: hows[how] });
      deaths += (await history(trial, orders)) ? 1 : 0;
      rows.push(await recovers(trial, `${how} point ${point} of ${last}`));
      await trial.begin_anew();
    }
    note(`${how}: ${deaths} deaths at ${last} points`);
  }
  return add(rows);
}

// Every other round begins with an empty store, the others go on with what there is.
async function unsynced({ t, seed, rounds, note }, { orders, of, ...more }) {
  const trial = await Trial.begin(t, { seed, ...more });
  const last = await count(trial, { orders, of }),
    rows = [];
  let deaths = 0,
    undone = 0;
  for (let round = 1; round <= rounds; ++round) {
    const point = 1 + Math.floor(trial.random() * last);
    const die_how = Math.floor(trial.random() * 3);
    trial.control.set({ kinds: of, points: 0, undone: 0, die_at: point, die_how, lose: 1, seed: seed + round });
    deaths += (await history(trial, orders)) ? 1 : 0;
    undone += trial.control.get('undone');
    const row = await recovers(trial, `round ${round}, point ${point} of ${last}, way ${die_how}`);
    if (round % 2 === 1 && round < rounds) continue;
    rows.push(row);
    await trial.begin_anew();
  }
  note(`${deaths} deaths, ${undone} pages and changes of names lost`);
  return add(rows);
}

const few = { count: 4, at_once: 2 };
// More than a segment of 64 MiB.
const many = { count: 80, at_once: 4, pad: 900_000 };
const of_names = kinds.rename + kinds.unlink + kinds.truncate + kinds.create;

async function stop_and_go({ t, seed, seconds = 10 }) {
  const trial = await Trial.begin(t, { seed, shim: false });
  const program = await trial.start();
  await trial.recorder.call('begin', { url: trial.hook, per_second: 20 });
  await wait(2000);
  program.child.kill('SIGSTOP');
  await wait(seconds * 1000);
  program.child.kill('SIGCONT');
  await wait(2000);
  await trial.recorder.call('quiet');
  await trial.settle();
  return trial.judge();
}

export const crashes = [
  { name: 'kill', what: 'kill -9 at random moments under load', rounds: 100, quick: 6, run: kill },
  {
    name: 'points',
    what: 'death before, after and within each operation on the disk of a short history',
    rounds: 0,
    quick: 3,
    run: (how) => points(how, { orders: few, of: every_kind, ways: ['before', 'after', 'half'] }),
  },
  {
    name: 'points-rotate',
    what: 'the same where names change: a segment fills, is sealed, the next one begins',
    rounds: 0,
    run: (how) => points(how, { orders: many, of: of_names, ways: ['before', 'after'], only: ['repeatable', 'ordered'] }),
  },
  {
    name: 'unsynced',
    what: 'the power goes: pages and names that no sync followed are lost, kept or torn',
    rounds: 100,
    quick: 4,
    run: (how) => unsynced(how, { orders: few, of: every_kind }),
  },
  {
    name: 'unsynced-rotate',
    what: 'the same while segments fill and are sealed',
    rounds: 40,
    run: (how) => unsynced(how, { orders: many, of: every_kind - kinds.write, only: ['repeatable', 'ordered'] }),
  },
  { name: 'stopped', what: 'SIGSTOP for 10 s under load', run: stop_and_go },
];
