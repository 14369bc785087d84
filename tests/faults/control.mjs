// The control file of shim.cc: faults of disk, clock and resolver, set and taken back while the program runs.
import { closeSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { root } from '../e2e/support.mjs';

export const shim = process.env.TIELINE_SHIM ? resolve(process.env.TIELINE_SHIM) : join(root, 'build/tests/faults.so');

// In shim.cc's order.
const words = [
  'points', 'kinds', 'die_at', 'die_how', 'die_now', 'lose', 'seed', 'write_error', 'sync_error', 'error_from',
  'errors_left', 'clock_us', 'dns', 'dns_ms', 'full', 'undone', 'errors', 'lookups', 'tmp_error',
]; // prettier-ignore
export const kinds = { write: 1, sync: 2, rename: 4, unlink: 8, truncate: 16, create: 32 };
export const every_kind = 63;
export const hows = { before: 0, after: 1, half: 2 };
export const dns = { found: 0, try_again: 1, no_name: 2, slow: 3 };
export const errnos = { EIO: 5 };

export class Control {
  constructor(t, store) {
    this.dir = mkdtempSync(join(tmpdir(), 'tieline-faults-'));
    mkdirSync(join(this.dir, 'trash'));
    this.path = join(this.dir, 'control');
    this.file = openSync(this.path, 'w+');
    writeSync(this.file, Buffer.alloc(4096));
    this.env = {
      LD_PRELOAD: shim,
      TIELINE_FAULTS: this.path,
      TIELINE_FAULTS_STORE: store,
      TIELINE_FAULTS_TRASH: join(this.dir, 'trash'),
    };
    t.after(() => {
      closeSync(this.file);
      rmSync(this.dir, { recursive: true, force: true });
    });
  }

  set(values) {
    for (const [name, value] of Object.entries(values)) {
      if (!words.includes(name)) throw new Error(`the shim has no ${name}`);
      const word = Buffer.alloc(8);
      word.writeBigInt64LE(BigInt(value));
      writeSync(this.file, word, 0, 8, words.indexOf(name) * 8);
    }
  }

  get(name) {
    const word = Buffer.alloc(8);
    readSync(this.file, word, 0, 8, words.indexOf(name) * 8);
    return Number(word.readBigInt64LE());
  }

  // No fault, and nothing counted.
  clear() {
    this.set(Object.fromEntries(words.map((name) => [name, 0])));
  }
}
