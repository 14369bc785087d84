// The demonstration from the binary alone: it ends with 0 and its report adds up.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { tieline } from './support.mjs';

test('tieline demo', { timeout: 180_000 }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'tieline-demo-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const { code, stdout, stderr } = await tieline(['demo', '--events', '200', '--report', join(dir, 'report.json')], {
    cwd: dir,
  });
  assert.equal(code, 0, stdout + stderr);
  assert.doesNotMatch(stdout, /\x1b/, 'no terminal, no escape sequences');
  const report = JSON.parse(readFileSync(join(dir, 'report.json'), 'utf8'));
  const { received, delivered, skipped, stale = 0, held, dead, pending, latency_ms } = report;
  assert.equal(received, 200);
  assert.equal(delivered + skipped + stale + held + dead + pending, received, JSON.stringify(report));
  assert.deepEqual({ held, dead, pending }, { held: 0, dead: 0, pending: 0 });
  assert.ok(delivered > skipped, 'most orders arrive');
  assert.ok(report.duplicates >= 0);
  assert.ok(latency_ms.p50 > 0 && latency_ms.p50 <= latency_ms.p99, JSON.stringify(latency_ms));
});
