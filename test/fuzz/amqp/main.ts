/** The fuzzer of the AMQP door; see ../run.mjs for how it is started, and roles.ts for its processes. */
import { readArguments } from '../arguments.js';
import { runAttacker } from './attacker.js';
import { Director } from './director.js';
import { runGoodClient } from './good-client.js';
import { roleOfThisProcess, targetOfThisProcess } from './roles.js';

const role = roleOfThisProcess();
if (role === 'good') await runGoodClient(targetOfThisProcess());
else if (role === 'attacker') runAttacker(targetOfThisProcess());
else process.exitCode = (await new Director(readArguments()).run()) ? 0 : 1;
