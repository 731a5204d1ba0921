// Generates the static protobuf code (protobufjs, no reflection at run time) for every schema in proto/.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const cli = dirname(require.resolve('protobufjs-cli/package.json'));
const target = join(root, 'src/proto/gen');
mkdirSync(target, { recursive: true });

for (const file of readdirSync(join(root, 'proto')).filter((name) => name.endsWith('.proto'))) {
  const name = file.replace(/\.proto$/, '');
  const source = join(root, 'proto', file);
  const js = join(target, `${name}.js`);
  const types = join(target, `${name}.d.ts`);
  if (!existsSync(types) || statSync(types).mtimeMs < statSync(source).mtimeMs) {
    const options = [
      '-t',
      'static-module',
      '-w',
      'es6',
      '--dependency',
      'protobufjs/minimal.js',
      '--no-delimited',
      '--force-number',
    ];
    execFileSync(process.execPath, [join(cli, 'bin/pbjs'), ...options, '--root', `duolog-${name}`, '-o', js, source], {
      stdio: 'inherit',
    });
    execFileSync(process.execPath, [join(cli, 'bin/pbts'), '-o', types, js], { stdio: 'inherit' });
  }
  mkdirSync(join(root, 'dist/proto/gen'), { recursive: true });
  cpSync(js, join(root, 'dist/proto/gen', `${name}.js`));
  // The declarations of the client lead to these.
  cpSync(types, join(root, 'dist/proto/gen', `${name}.d.ts`));
}
buildLeanClient();

/** The client's schema once more, with binary encoders and decoders only: browsers download it. Its types are those of the full code. */
function buildLeanClient() {
  const source = join(root, 'proto/client.proto');
  const js = join(target, 'client-wire.js');
  const types = join(target, 'client-wire.d.ts');
  if (!existsSync(types) || statSync(types).mtimeMs < statSync(source).mtimeMs) {
    const leaveOut = ['create', 'verify', 'convert', 'delimited', 'typeurl', 'comments', 'service', 'beautify'];
    const options = ['-t', 'static-module', '-w', 'es6', '--dependency', 'protobufjs/minimal.js', '--force-number'];
    options.push(...leaveOut.map((part) => `--no-${part}`), '--root', 'duolog-client-wire');
    execFileSync(process.execPath, [join(cli, 'bin/pbjs'), ...options, '-o', js, source], { stdio: 'inherit' });
    writeFileSync(types, "export { duolog } from './client.js';\n");
  }
  cpSync(js, join(root, 'dist/proto/gen/client-wire.js'));
  cpSync(types, join(root, 'dist/proto/gen/client-wire.d.ts'));
}
