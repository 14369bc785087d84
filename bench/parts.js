// What bench/run measures, part by part: each measures once for a round, notes numbers by name, and says its gates.
// What cannot be believed ends the run: requests refused, events missing, runs dead or held, a sink that saw less.
'use strict';
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { paced_load, timing_sink } = require('./load.js');
const systems = require('./systems.js');

const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b),
    half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
};
// Ratios are taken round by round, so that noise which hits a whole round cancels; the median round decides.
const ratio = (samples, a, b) => median(samples[a].map((value, i) => value / samples[b][i]));
const rates = ({ per_second, p50_us, p99_us }) => ({ per_second, p50_us, p99_us });

class Unbelievable extends Error {}
function hold(what, message) {
  if (!what) throw new Unbelievable(message);
}

// Runs `work` with a program of its own on an empty store.
async function with_tieline(folder, options, work) {
  const program = await systems.start_tieline(folder, options);
  try {
    return await work(program);
  } finally {
    await program.stop();
  }
}

const flow_of = (status, name) => status.flows.find((flow) => flow.name === name);

// Until all that was received is delivered by `name`; its status then.
async function all_delivered(program, name, least) {
  for (const limit = Date.now() + 120_000; ;) {
    const status = await program.status(),
      flow = flow_of(status, name);
    hold(flow.dead === 0 && flow.held === 0, `${name}: ${flow.dead} dead, ${flow.held} held`);
    if (status.received >= least && flow.delivered === status.received) return flow;
    hold(Date.now() < limit, `${name}: only ${flow.delivered} of ${status.received} delivered`);
    await systems.wait_ms(20);
  }
}

const idle = {
  measure: ({ folder, sink, note }) =>
    with_tieline(folder, { flows: [systems.flow(sink.url)] }, async (program) => {
      await systems.wait_ms(1000);
      note('idle', { rss_mb: systems.rss_mb(program.pid) });
    }),
  gates: (samples) => [['idle memory, MB', median(samples['idle rss_mb']), '<', 40]],
};

const kConnections = [16, 64, 256];
const ingest = {
  async measure({ folder, reference, settings, note }) {
    const load = (url, connections) => systems.wrk(folder, url, connections, settings.seconds);
    for (const connections of kConnections) {
      const name = `ingest ${connections}`;
      note(`${name} nginx`, rates(await load(reference.url, connections)));
      await with_tieline(folder, { door: true }, async (door) =>
        note(`${name} store-off`, rates(await load(door.url, connections))),
      );
      await with_tieline(folder, {}, async (program) => {
        const result = await load(program.url, connections);
        const { received } = await program.status(); // what was answered 200 must be in the store
        hold(received >= result.requests, `${result.requests} webhooks were acknowledged, ${received} are in the store`);
        note(`${name} tieline`, rates(result));
      });
    }
  },
  gates: (samples) => [
    [
      'ingest at 64 connections / nginx',
      ratio(samples, 'ingest 64 tieline per_second', 'ingest 64 nginx per_second'),
      '>=',
      0.3,
    ],
    [
      'ingest at 64 connections / store off',
      ratio(samples, 'ingest 64 tieline per_second', 'ingest 64 store-off per_second'),
      '>=',
      0.55,
    ],
  ],
};

// From the first webhook until the last event is delivered. The sink's own count has to agree.
function delivered_rate({ folder, sink, settings }, flow) {
  return with_tieline(folder, { flows: [flow] }, async (program) => {
    const counted = await sink.requests(),
      begin = process.hrtime.bigint();
    const { requests } = await systems.wrk(folder, program.url, 64, settings.seconds);
    const { delivered } = await all_delivered(program, flow.name, requests);
    const seconds = Number(process.hrtime.bigint() - begin) / 1e9,
      arrived = (await sink.requests()) - counted - 1;
    hold(arrived >= delivered, `end to end: ${delivered} delivered, but the sink saw ${arrived}`);
    return { per_second: delivered / seconds, rss_mb: systems.rss_mb(program.pid) };
  });
}

const end_to_end = {
  async measure(of) {
    const { folder, sink, node_red, settings, note } = of;
    const counted = await sink.requests();
    const result = await systems.wrk(folder, node_red.url, 64, settings.seconds);
    const arrived = (await sink.requests()) - counted - 1;
    hold(arrived >= result.requests, `Node-RED answered ${result.requests}, but the sink saw ${arrived}`);
    note('end_to_end node-red', { per_second: result.per_second, rss_mb: systems.rss_mb(node_red.pid) });
    const full = await delivered_rate(of, systems.flow(sink.url));
    note('end_to_end tieline', full);
    note('end_to_end tieline, brief', await delivered_rate(of, systems.flow(sink.url, { history: 'brief' })));
    await first_byte(of, full.per_second / 2);
  },
  gates: (samples) => [
    ['end to end / Node-RED', ratio(samples, 'end_to_end tieline per_second', 'end_to_end node-red per_second'), '>=', 12],
    [
      'end to end, history full / brief',
      ratio(samples, 'end_to_end tieline per_second', 'end_to_end tieline, brief per_second'),
      '>=',
      0.7,
    ],
    ['first byte p99 at half the rate, s', median(samples['first_byte p99_us']) / 1e6, '<', 1],
    ['half the rate that was reached', median(samples['first_byte reached']), '>=', 0.9],
  ],
};

// From the moment the sender wrote a webhook to the moment the target had read the request that it caused.
function first_byte({ folder, timed_sink, settings, note }, per_second) {
  const flow = systems.flow(timed_sink.url, { query: 'at: =$event.time' });
  return with_tieline(folder, { flows: [flow] }, async (program) => {
    const before = timed_sink.mark();
    const result = await systems.wrk(folder, program.url, 512, settings.seconds, { per_second });
    const { delivered } = await all_delivered(program, flow.name, result.requests);
    const latencies = await timed_sink.latencies_us(before, delivered);
    hold(latencies.length >= delivered, `first byte: ${delivered} delivered, but the sink saw ${latencies.length}`);
    note('first_byte', { ...percentiles(latencies), per_second: result.per_second, reached: result.per_second / per_second });
  });
}

function percentiles(values) {
  const sorted = [...values].sort((a, b) => a - b),
    at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { p50_us: at(0.5), p95_us: at(0.95), p99_us: at(0.99) };
}

// A backlog that stood while its flow was paused: from the resumption until the last is delivered.
const drain = {
  measure: ({ folder, sink, settings, note }) =>
    with_tieline(folder, { flows: [systems.flow(sink.url)] }, async (program) => {
      await program.admin('/api/flows/orders/pause');
      const { requests } = await systems.wrk(folder, program.url, 64, settings.seconds),
        begin = process.hrtime.bigint();
      hold(flow_of(await program.status(), 'orders').delivered === 0, 'drain: a paused flow delivered');
      await program.admin('/api/flows/orders/resume');
      const { delivered } = await all_delivered(program, 'orders', requests);
      note('drain tieline', { per_second: delivered / (Number(process.hrtime.bigint() - begin) / 1e9) });
    }),
  gates: (samples) =>
    samples['end_to_end node-red per_second']
      ? [['drain / Node-RED', ratio(samples, 'drain tieline per_second', 'end_to_end node-red per_second'), '>=', 12]]
      : [],
};

// The delay of a healthy flow, alone and beside one whose target refuses connections and one whose target takes them
// and says nothing. Same events, same pace; every other round begins with the other one.
const fairness = {
  async measure({ folder, dead, round, settings, note }) {
    const alone = async () => note('fairness alone', await healthy_delay(folder, settings, []));
    const beside = async () =>
      note(
        'fairness beside dead',
        await healthy_delay(folder, settings, [
          systems.flow(dead.refusing, { name: 'refused' }),
          systems.flow(dead.silent, { name: 'silent' }),
        ]),
      );
    for (const measure of round % 2 ? [alone, beside] : [beside, alone]) await measure();
  },
  gates: (samples) => [
    ['p95 beside dead targets / alone', ratio(samples, 'fairness beside dead p95_us', 'fairness alone p95_us'), '<=', 1.5],
  ],
};

async function healthy_delay(folder, settings, others) {
  const sink = await timing_sink();
  try {
    const flow = systems.flow(sink.url, { more: 'sent: =$event.time' });
    return await with_tieline(folder, { flows: [flow, ...others] }, async (program) => {
      const sent = await paced_load(program.url, { per_second: 500, seconds: settings.seconds });
      await all_delivered(program, flow.name, sent);
      hold(sink.delays_us.length >= sent, `fairness: ${sent} sent, but the sink saw ${sink.delays_us.length}`);
      return percentiles(sink.delays_us);
    });
  } finally {
    sink.close();
  }
}

// What a backlog for a dead target costs in memory: it stands in the log, and only a window of it in memory.
const memory = {
  measure: ({ folder, dead, settings, note }) =>
    with_tieline(folder, { flows: [systems.flow(dead.refusing)] }, async (program) => {
      const most = settings.quick ? 100_000 : 500_000;
      const upto = async (count) => {
        let received = 0;
        while (received < count) {
          await systems.wrk(folder, program.url, 64, 1);
          ({ received } = await program.status());
        }
        hold(flow_of(await program.status(), 'orders').delivered === 0, 'memory: something was delivered');
        return systems.rss_mb(program.pid);
      };
      note('memory', { few_mb: await upto(most / 10), many_mb: await upto(most) });
    }),
  gates: (samples) => [
    ['memory, 500,000 pending / 50,000', ratio(samples, 'memory many_mb', 'memory few_mb'), '<=', 1.5],
    ['memory, 500,000 pending, MB', median(samples['memory many_mb']), '<', 300],
  ],
};

// build/bench/store_bench prints one JSON line with events per second of both arrangements, at 64 slots and at 192.
const store = {
  async measure({ folder, settings, note }) {
    const program = path.join(systems.root, 'build/bench/store_bench');
    const { status, stdout, stderr } = spawnSync(
      program,
      ['--seconds', String(settings.seconds), '--directory', path.join(folder, 'store')],
      { encoding: 'utf8', cwd: path.join(systems.root, 'build') },
    );
    hold(status === 0, `${program} failed:\n${stderr ?? 'not built: cmake -DTIELINE_BENCH=ON'}`);
    const { insert_per_s, lifecycle_per_s, slots_192 } = JSON.parse(stdout.trim().split('\n').at(-1));
    note('store', {
      'insert only per_second': insert_per_s,
      'lifecycle per_second': lifecycle_per_s,
      'insert only, 192 slots per_second': slots_192.insert_per_s,
      'lifecycle, 192 slots per_second': slots_192.lifecycle_per_s,
    });
  },
  gates: (samples) => [
    [
      'store lifecycle / insert only',
      ratio(samples, 'store lifecycle per_second', 'store insert only per_second'),
      '>=',
      0.35,
    ],
  ],
};

module.exports = { Unbelievable, median, parts: { idle, ingest, end_to_end, drain, fairness, memory, store } };
