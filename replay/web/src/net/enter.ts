// Runs before anything is painted: takes the key out of the address and its history entry.

import { takeFromAddress } from './key';

takeFromAddress();
