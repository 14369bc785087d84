// The load process of the kill test: posts signed orders at a fixed address whatever happens there, as vendors do: what
// gets no 200 is posted again with the same id, except a few that are given up. Tells its parent what was sent and what
// got its 200. Not a test; it must outlive every kill of the program.
import { Agent, request } from 'node:http';
import { shopify } from './sign.mjs';
import { prng } from './support.mjs';

const { url, seed, per_second, prefix } = JSON.parse(process.argv[2]);
const random = prng(seed),
  agent = new Agent({ keepAlive: true, maxSockets: 16 });
const sent = [],
  acked = new Map(),
  waiting = new Set();
let stopping = false,
  surprises = [];

function post(name, signed) {
  return new Promise((done) => {
    const out = request(
      url,
      { method: 'POST', agent, timeout: 5_000, headers: { ...signed.headers, 'Content-Length': signed.body.length } },
      (answer) => {
        let body = '';
        answer
          .on('data', (part) => {
            body += part;
          })
          .on('error', () => done(false))
          .on('end', () => {
            if (!answer.complete) return done(false);
            if (answer.statusCode === 200) acked.set(name, (acked.get(name) ?? new Set()).add(body));
            else if (answer.statusCode !== 503) surprises.push(`${name}: ${answer.statusCode} ${body}`);
            done(answer.statusCode === 200);
          });
      },
    );
    out
      .on('timeout', () => out.destroy())
      .on('error', () => done(false))
      .end(signed.body);
  });
}

async function deliver(number) {
  const name = `${prefix}-${number}`;
  const body = Buffer.from(JSON.stringify({ id: number, name, email: `${name}@example.com`, total_price: '12.50' }));
  const signed = shopify('orders/create', body, { id: name });
  sent.push(name);
  const gives_up = random() < 0.1,
    twice = random() < 0.1;
  while (!(await post(name, signed)) && !gives_up && !stopping) await new Promise((done) => setTimeout(done, 100));
  if (twice) await post(name, signed);
}

let number = 0;
const ticks = setInterval(() => {
  const work = deliver(++number).finally(() => waiting.delete(work));
  waiting.add(work);
}, 1000 / per_second);

process.once('message', async () => {
  clearInterval(ticks);
  await Promise.race([Promise.all(waiting), new Promise((done) => setTimeout(done, 5_000))]);
  stopping = true;
  const answers = [...acked].map(([name, bodies]) => [name, [...bodies]]);
  process.send({ sent, acked: answers, surprises }, () => process.exit(0));
});
