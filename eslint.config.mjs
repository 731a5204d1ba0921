// Only what needs types and biome therefore cannot see: a promise that nobody waits for loses its error.
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(globalIgnores(['dist/', 'src/proto/gen/', 'tools/fixtures/', '.cache/']), {
  files: ['src/**/*.ts', 'test/**/*.ts', 'tools/**/*.{ts,mjs}', 'demo/**/*.mjs'],
  plugins: { '@typescript-eslint': tseslint.plugin },
  languageOptions: {
    parser: tseslint.parser,
    parserOptions: { project: './tsconfig.test.json', tsconfigRootDir: import.meta.dirname },
  },
  linterOptions: { reportUnusedDisableDirectives: 'error' },
  rules: {
    '@typescript-eslint/no-floating-promises': 'error',
    '@typescript-eslint/no-misused-promises': 'error',
    '@typescript-eslint/await-thenable': 'error',
  },
});
