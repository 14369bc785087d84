// All cases, in the order in which `make faults` runs them. `quick` is how many rounds of it `make test` does.
import { crashes } from './cases/crashes.mjs';
import { disk } from './cases/disk.mjs';
import { endurance } from './cases/endurance.mjs';
import { network } from './cases/network.mjs';

export const cases = [...crashes, ...disk, ...network, ...endurance];
