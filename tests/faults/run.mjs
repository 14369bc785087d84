// `make faults`: the program under each fault, one case after the other, with a table of what the recorder found.
//   CASE=kill,dns ROUNDS=10 SEED=7 make faults      all cases, each with its own rounds and a new seed, unless they say so
import { cases } from './cases.mjs';

export class Scope {
  ends = [];
  after(end) {
    this.ends.unshift(end);
  }
  async end() {
    for (const end of this.ends.splice(0)) await end();
  }
}

const columns = ['acked', 'delivered', 'skipped', 'held', 'dead', 'pending', 'absent', 'doubled'];
const wanted = process.env.CASE ? process.env.CASE.split(',') : cases.map(({ name }) => name);
const unknown = wanted.filter((name) => !cases.some((one) => one.name === name));
if (unknown.length) {
  console.error(`no case is called ${unknown}; there are: ${cases.map(({ name }) => name).join(' ')}`);
  process.exit(2);
}

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000),
  lines = [['case', ...columns, 'verdict', 'seconds']];
console.log(`seed ${seed}`);
let failed = 0;
for (const { name, what, rounds = 1, run } of cases.filter((one) => wanted.includes(one.name))) {
  const t = new Scope(),
    begin = performance.now(),
    seconds = () => ((performance.now() - begin) / 1000).toFixed(1);
  const note = (text) => console.log(`  ${text}`);
  console.log(`${name}: ${what}`);
  try {
    const row = await run({ t, seed, note, rounds: Number(process.env.ROUNDS ?? rounds) });
    lines.push([name, ...columns.map((column) => row[column] ?? ''), 'holds', seconds()]);
  } catch (error) {
    failed += 1;
    lines.push([name, ...columns.map(() => ''), 'BROKEN', seconds()]);
    console.log(`  BROKEN with SEED=${seed} CASE=${name}: ${error.message}\n${error.stack.split('\n    at ').slice(1).join('\n    at ')}`);
  }
  await t.end();
  console.log(`  ${seconds()} s`);
}
const widths = lines[0].map((_, i) => Math.max(...lines.map((line) => String(line[i]).length)));
for (const line of lines)
  console.log(line.map((cell, i) => (i === 0 || i === columns.length + 1 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]))).join('  '));
process.exit(failed ? 1 : 0);
