// Flags of the load tests: `--name`, `--name value`, `--name=value`.
import { parseArgs } from 'node:util';

/** The values of the flags that `options` describes (see util.parseArgs). Ends the process with `usage` when there is another one. */
export function readFlags(usage, options) {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h' } }, strict: true });
    if (!values.help) return values;
    console.log(usage);
    process.exit(0);
  } catch (error) {
    console.error(`${error.message}\n\n${usage}`);
    process.exit(2);
  }
}
