// The systems that are called, their names, and the clock.
import assert from 'node:assert/strict';
import { until } from '../../e2e/support.mjs';
import { dns as answers } from '../control.mjs';
import { Trial, wait } from '../trial.mjs';

// Half of all requests are struck, while orders come; then none.
async function struck({ t, seed, note, seconds = 5 }, { mode, share = 0.5 }) {
  const trial = await Trial.begin(t, { seed, shim: false });
  await trial.start();
  await trial.recorder.call('behave', { name: mode, share });
  await trial.recorder.call('begin', { url: trial.hook, per_second: 20 });
  await wait(seconds * 1000);
  await trial.recorder.call('quiet');
  const { broken, requests } = await trial.recorder.call('counts');
  assert.ok(broken > 10, `only ${broken} requests were struck`);
  await trial.recorder.call('behave', { share: 0 });
  await trial.settle();
  note(`${broken} of ${requests} requests struck`);
  return trial.judge({ resent: ['refuse', 'early', 'reset'].includes(mode) });
}

async function dns({ t, seed, note }) {
  const trial = await Trial.begin(t, { seed, base_url: (url) => url.replace('127.0.0.1', 'target.faults') });
  trial.control.set({ dns: answers.try_again, dns_ms: 3000 });
  await trial.start();
  await trial.recorder.call('begin', { url: trial.hook, per_second: 15 });
  for (const [how, ms] of [['try_again', 2500], ['no_name', 2500], ['slow', 5000]]) { // prettier-ignore
    trial.control.set({ dns: answers[how] });
    await wait(ms);
  }
  const { requests } = await trial.recorder.call('counts');
  trial.control.set({ dns: answers.found });
  await until('calls arrive', async () => (await trial.recorder.call('counts')).requests > requests + 20);
  await trial.recorder.call('quiet');
  await trial.settle();
  note(`${trial.control.get('lookups')} look-ups`);
  return trial.judge();
}

const kHour = 3_600_000_000;

// The wall clock jumps while orders come, some are sent again, and some wait for their next try.
async function clock({ t, seed, note }) {
  const trial = await Trial.begin(t, { seed });
  await trial.start();
  await trial.recorder.call('begin', { url: trial.hook, per_second: 20 });
  for (const offset of [0, kHour, -kHour, 0, -5_000_000, kHour, 0]) {
    await trial.recorder.call('behave', { name: 'down', share: 0.5 });
    await wait(700);
    trial.control.set({ clock_us: offset });
    await wait(700);
    await trial.recorder.call('behave', { share: 0 });
    await wait(300);
    await trial.recorder.call('repeat');
  }
  await trial.recorder.call('quiet');
  const begun = performance.now();
  await trial.settle();
  note(`all done ${((performance.now() - begun) / 1000).toFixed(1)} s after the last jump`);
  // And between two starts.
  await trial.program.stop();
  trial.control.set({ clock_us: -kHour });
  await trial.start();
  await trial.recorder.call('repeat');
  await trial.recorder.call('send', { url: trial.hook, count: 20 });
  await trial.settle();
  return trial.judge();
}

const target = (name, what, mode, more = {}) => ({
  name,
  what,
  quick: more.quick,
  run: (how) => struck(how, { mode, share: more.share }),
});

export const network = [
  target('refused', 'connections are reset as they come', 'refuse'),
  target('reset-within', 'connections are reset when the head of a request was read', 'early'),
  target('reset-after', 'connections are reset after the whole request: it had its effect', 'reset', { quick: 1 }),
  target('cut-short', 'a 200 that ends within its body', 'half'),
  target('silent', 'a target that takes requests and never answers', 'silent', { share: 0.2 }),
  target('trickle', 'an answer of one byte a second: the timeout bounds it', 'trickle', { share: 0.2 }),
  target('down', 'a target that is down for half of all requests', 'down'),
  { name: 'dns', what: 'names that are not found, a resolver that fails, and one that takes its time', run: dns },
  { name: 'clock', what: 'the wall clock jumps by an hour, forth and back, at work and between two starts', run: clock },
];
