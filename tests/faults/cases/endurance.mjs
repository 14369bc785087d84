// Much of one thing: connections, reloads, and a backlog at a restart. What is measured is printed.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { shopify } from '../../e2e/sign.mjs';
import { until, write_flow } from '../../e2e/support.mjs';
import { errnos } from '../control.mjs';
import { flows, memory, Trial } from '../trial.mjs';

const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;
const mib = (value) => `${value.toFixed(1)} MiB`;

// KiB more for each `per`, as the line through the samples [count, MiB] has it.
function slope(samples, per) {
  const mean = (of) => samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const x = mean(([count]) => count),
    y = mean(([, size]) => size);
  const up = samples.reduce((sum, [count, size]) => sum + (count - x) * (size - y), 0);
  return ((up / samples.reduce((sum, [count]) => sum + (count - x) ** 2, 0)) * per * 1024).toFixed(1);
}

// One request on a connection of its own; its status.
function alone(port, text) {
  return new Promise((done, failed) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text));
    let answer = '';
    socket.on('data', (part) => (answer += part));
    socket.on('error', failed);
    socket.on('close', () => done(Number(answer.slice(9, 12))));
  });
}

async function reconnects({ t, seed, rounds, note }) {
  const trial = await Trial.begin(t, { seed, shim: false, only: ['repeatable'] });
  const { child } = await trial.start();
  await trial.recorder.call('send', { url: trial.hook, count: 50 });
  const { body, headers } = shopify('orders/create', Buffer.from('{"id":1}'), { id: 'again', secret: 'wrong' });
  const lines = Object.entries({ Host: 'localhost', Connection: 'close', 'Content-Length': body.length, ...headers });
  const text = `POST /hooks/shopify HTTP/1.1\r\n${lines.map((line) => line.join(': ')).join('\r\n')}\r\n\r\n${body}`;
  const samples = [];
  let made = 0,
    open_before;
  const work = async () => {
    while (made < rounds) {
      made += 1;
      assert.equal(await alone(trial.port, text), 401);
      if (made === Math.floor(rounds / 5)) open_before = descriptors(child.pid);
      if (made > rounds / 5 && made % Math.ceil(rounds / 200) === 0) samples.push([made, memory(child.pid).now]);
    }
  };
  await Promise.all(Array.from({ length: 16 }, work));
  const per = slope(samples, 10_000),
    grown = samples.at(-1)[1] - samples[0][1];
  note(`${rounds} connections: ${mib(samples.at(-1)[1])} resident, ${per} KiB more for each 10,000`);
  assert.ok(grown < 4, `memory grows: ${mib(samples[0][1])} to ${mib(samples.at(-1)[1])}`);
  await until('descriptors are closed', () => descriptors(child.pid) <= open_before, {
    describe: () => `${open_before} before, ${descriptors(child.pid)} now`,
  });
  await trial.settle();
  return trial.judge({ least: 50 });
}

// Reloads `rounds` times, two versions in turn; samples of memory behind the first quarter.
async function reload_often(trial, rounds) {
  const samples = [];
  for (let round = 1; round <= rounds; ++round) {
    write_flow(trial.dir, 'repeatable', flows.repeatable.replace('=.name', round % 2 ? '=.name' : '="\\(.name)"'));
    const { status, body } = await trial.program.reload();
    assert.equal(status, 200, body);
    if (round > rounds / 4 && round % Math.ceil(rounds / 200) === 0)
      samples.push([round, memory(trial.program.child.pid).now]);
  }
  return { grown: samples.at(-1)[1] - samples[0][1], told: `${mib(samples.at(-1)[1])} resident, ${slope(samples, 1000)} KiB more for each 1,000` }; // prettier-ignore
}

async function reloads({ t, seed, rounds, note }) {
  const trial = await Trial.begin(t, { seed, shim: false });
  const { child } = await trial.start();
  await trial.recorder.call('begin', { url: trial.hook, per_second: 20 });
  const open_before = descriptors(child.pid);
  const busy = await reload_often(trial, rounds);
  await trial.recorder.call('quiet');
  await trial.settle();
  note(`${rounds} reloads under load: ${busy.told} (what is known of new runs, as far as the log is not folded)`);
  const idle = await reload_often(trial, rounds);
  note(`${rounds} more without: ${idle.told}`);
  assert.ok(busy.grown < 8 && idle.grown < 1, `memory grows by ${mib(busy.grown)} and ${mib(idle.grown)}`);
  assert.ok(descriptors(child.pid) < open_before + 40, 'descriptors are closed');
  return trial.judge();
}

// A backlog.

// A vendor that sends its events in lists, so that a million of them are soon there.
const lists = `connector: lists
title: Events in lists
category: generic
base_url: "http://localhost"
webhooks:
  decode: json
  verify: [{ name: token, token: header.X-Token, keys: [webhook_token] }]
  split: .
  event: { id: '.n | tostring', type: '"thing"' }
`;
const numbers = (more) => `on: { webhook: lists, event: thing }
retry: { first: 2s, max: 20s, for: 1d }
${more}steps:
  - call: target.request.put
    with: { path: ="/number/\\(.n)" }
    timeout: 1s
`;

async function fill(trial, count, bytes, also = () => {}) {
  const each = Math.max(1, Math.floor(900_000 / (bytes + 40)));
  const note = 'x'.repeat(bytes);
  for (let from = 1; from <= count; from += each) {
    const list = Array.from({ length: Math.min(each, count - from + 1) }, (_, i) => ({ n: from + i, note }));
    await until('a list is taken', async () => {
      const answer = await trial.program.post('lists', { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(list) }); // prettier-ignore
      assert.ok([200, 503].includes(answer.status), `${answer.status} ${answer.body}`);
      return answer.status === 200;
    });
    await also();
  }
}

// How long a start takes, without the time for which its thread waited for a processor that others had.
async function started(trial) {
  const begun = performance.now();
  const { child } = await trial.start();
  const whole = (performance.now() - begun) / 1000,
    waited = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/schedstat`, 'utf8').split(' ')[1]) / 1e9;
  const { now, most } = memory(child.pid);
  const told = `ready in ${whole.toFixed(2)} s (for ${waited.toFixed(2)} of them others had the processor) with ${mib(now)}, at most ${mib(most)}`; // prettier-ignore
  return { child, seconds: whole - waited, told };
}

const with_lists = (more) => ({
  only: [],
  more: { connectors: { lists }, connections: { lists: { connector: 'lists', verify: 'none' } }, flows: { numbers: numbers(more) } }, // prettier-ignore
});

async function million({ t, seed, rounds: count, note }) {
  const trial = await Trial.begin(t, { seed, ...with_lists('') });
  await trial.recorder.call('behave', { name: 'refuse', share: 1 });
  await trial.start();
  const begun = performance.now();
  await fill(trial, count, 200);
  note(`${count} events taken in ${((performance.now() - begun) / 1000).toFixed(1)} s, the target refuses`);
  await trial.kill();
  const restart = await started(trial);
  const [flow] = (await trial.program.status()).flows;
  note(`${restart.told}: ${JSON.stringify({ retrying: flow.retrying, parked: flow.parked, lag: flow.lag })}`); // prettier-ignore
  await trial.recorder.call('behave', { share: 0 });
  const from = performance.now();
  await trial.settle(1_800_000);
  const drained = (performance.now() - from) / 1000,
    found = await trial.recorder.call('numbers', { from: 1, to: count }),
    { most } = memory(restart.child.pid);
  note(`${found.more} were under way at the kill and came twice (their call is repeatable)`);
  note(`all delivered in ${drained.toFixed(0)} s (${Math.round(count / drained)}/s); at most ${mib(most)}`);
  assert.deepEqual([found.absent, found.strangers], [0, 0], JSON.stringify(found));
  assert.ok(restart.seconds < 3, `ready after ${restart.seconds} s`);
  assert.ok(most < 300, `${mib(most)} resident`);
  return { acked: count, delivered: found.once + found.more, absent: found.absent };
}

async function worst({ t, seed, rounds: count, note }) {
  const trial = await Trial.begin(t, { seed, ...with_lists(`key: '"one"'\n`) });
  await trial.recorder.call('behave', { name: 'silent', share: 1 });
  trial.control.set({ tmp_error: errnos.EIO }); // nothing is sealed
  await trial.start();
  await fill(trial, count, Math.ceil((3.5 * 64 * 1024 * 1024) / count));
  const [flow] = await until('65,536 are parked', async () => {
    const { flows: all } = await trial.program.status();
    return (all[0].full || all[0].lag === 0) && all;
  });
  const open = readdirSync(trial.store).filter((name) => /^seg-.*\.db$/.test(name)).length;
  note(`${flow.parked} parked, ${open - 1} full segments unsealed`);
  await trial.kill();
  trial.control.clear();
  const restart = await started(trial);
  note(restart.told);
  await trial.recorder.call('behave', { share: 0 });
  await trial.settle(1_800_000);
  const found = await trial.recorder.call('numbers', { from: 1, to: count }),
    { most } = memory(restart.child.pid);
  note(`all delivered; at most ${mib(most)}`);
  assert.deepEqual([found.absent, found.strangers], [0, 0], JSON.stringify(found));
  assert.ok(open > 3, `only ${open - 1} full segments unsealed`);
  return { acked: count, delivered: found.once + found.more, absent: found.absent };
}

export const endurance = [
  { name: 'reconnects', what: 'a connection for each request; ROUNDS of them', rounds: 100_000, run: reconnects },
  { name: 'reloads', what: 'reloads under load', rounds: 2000, quick: 40, run: reloads },
  { name: 'million', what: 'a restart with ROUNDS events pending', rounds: 1_000_000, run: million },
  { name: 'worst-start', what: 'a restart with 65,536 runs parked and 3 segments unsealed', rounds: 66_100, run: worst },
];
