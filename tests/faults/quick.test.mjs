// What of tests/faults belongs into every run of the tests: fewer rounds, the same guarantees.
//   CASE=kill ROUNDS=50 SEED=7 make faults      one case at length
import { test } from 'node:test';
import { cases } from './cases.mjs';

const seed = Number(process.env.SEED ?? 1);
for (const { name, what, quick, run } of cases.filter((one) => one.quick)) {
  test(`${name}: ${what}; ${quick} rounds, seed ${seed}`, { timeout: 180_000 }, async (t) => {
    const row = await run({ t, seed, rounds: quick, seconds: 2, note: (text) => t.diagnostic(text) });
    t.diagnostic(JSON.stringify(row));
  });
}
