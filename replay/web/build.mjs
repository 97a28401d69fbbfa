// Generates messages from the .proto files, constants from protocol/constants.h, and bundles the pages into build/web.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '../..');
const out = join(root, 'build/web');
const protos = ['protocol', 'protocol/foxglove'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.proto'))
    .map((name) => join(folder, name)),
);

rmSync(join(here, 'gen'), { recursive: true, force: true });
mkdirSync(join(here, 'gen'), { recursive: true });
mkdirSync(out, { recursive: true });
execFileSync(
  'protoc',
  [
    `--plugin=protoc-gen-es=${join(here, 'node_modules/.bin/protoc-gen-es')}`,
    '--es_out', join(here, 'gen'),
    '--es_opt', 'target=ts,import_extension=none',
    '-I', root,
    '-I', '/usr/include',
    ...protos.map((name) => join(root, name)),
  ],
  { stdio: 'inherit' },
);

/** TypeScript of one line of C: a name with a text or a number, or a list of rows. */
function constantOf(line) {
  const [, name, value] = /^#define (\w+)\s+("[^"\\]*"|\d+)$/.exec(line) ?? [];
  if (name) return `export const ${name} = ${value};\n`;
  const [, list, rows] = /^#define (\w+)\(ROW\)\s+((?:ROW\(\w+, \w+\)\s*)+)$/.exec(line) ?? [];
  if (list) return `export const ${list} = [${rows.replace(/ROW\((\w+), (\w+)\)\s*/g, "[$1, '$2'],")}] as const;\n`;
  throw new Error(`protocol/constants.h: this is no constant for the pages: ${line}`);
}

const header = readFileSync(join(root, 'protocol/constants.h'), 'utf8');
const lines = header.replace(/#pragma once|\/\*[^]*?\*\//g, '').replace(/\\\n/g, '').split(/\s*\n/).filter(Boolean);
writeFileSync(join(here, 'gen/protocol/constants.ts'), lines.map(constantOf).join(''));

const bundling = {
  outdir: out,
  bundle: true,
  minify: true,
  target: 'es2022',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  logLevel: 'warning',
};
await esbuild.build({ ...bundling, format: 'esm', entryPoints: { app: join(here, 'src/app.tsx') } });
/* a classic script: unlike a module it runs before anything is painted */
await esbuild.build({ ...bundling, format: 'iife', entryPoints: { enter: join(here, 'src/net/enter.ts') } });
for (const name of ['index.html', 'icon.svg']) copyFileSync(join(here, name), join(out, name));
