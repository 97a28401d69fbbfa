// Runs before the first paint: removes the key from the address and its history entry.

import { takeFromAddress } from './key';

takeFromAddress();
