import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

const candidates = [
  process.env['CHROMIUM'] ?? '',
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

/** Where Chromium is installed; undefined where it is not. `CHROMIUM` in the environment says where else it may be. */
export const chromiumPath: string | undefined = candidates.find((path) => path !== '' && existsSync(path));

const quiet = [
  '--no-sandbox',
  '--headless',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts a headless browser. @throws Error where none is installed. */
export function launchChromium(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error('Chromium is not installed');
  return chromium.launch({ executablePath: chromiumPath, args: quiet, timeout: 60_000 });
}

/** A page with its scripts ready to be called, and the errors that nobody caught there. */
export interface OpenPage {
  readonly page: Page;
  readonly errors: string[];
  /** Calls a function of page/page.js over there; the caller knows what it resolves with. */
  call<Result>(name: string, ...words: readonly unknown[]): Promise<Result>;
}

/** Opens the page that `origin` serves. */
export async function openPage(browser: Browser, origin: string): Promise<OpenPage> {
  const page = await browser.newPage({ viewport: { width: 1200, height: 560 } });
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(`${origin}/`);
  await page.waitForFunction('globalThis.duologPage !== undefined');
  return {
    page,
    errors,
    call: (name, ...words) =>
      page.evaluate(
        ([called, parameters]) => {
          // This runs in the page, where page.js has put its functions.
          const { duologPage } = globalThis as unknown as {
            duologPage: Record<string, (...words: readonly unknown[]) => never>;
          };
          return duologPage[called]!(...parameters);
        },
        [name, words] as const,
      ),
  };
}
