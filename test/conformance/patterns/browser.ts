import { createServer } from 'node:http';
import { build } from 'esbuild';
import { chromiumPath, launchChromium } from '../../browser/chromium.js';
import type { RunningBroker } from '../broker/broker.js';
import type { Ended } from '../command.js';

/** Bundles a page's script with its packages, opens the page in Chromium and has it talk to the broker at `/ws/amqp`. */
export async function runPage(
  script: string,
  packages: string,
  { host, webPort, pagePort }: RunningBroker,
): Promise<Ended> {
  if (chromiumPath === undefined) return { code: 1, output: 'Chromium is not installed' };
  const bundle = await build({
    entryPoints: [script],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    nodePaths: [packages],
    logLevel: 'error',
  });
  const source = bundle.outputFiles[0]?.text ?? '';
  const server = createServer((_, response) => {
    response
      .writeHead(200, { 'content-type': 'text/html' })
      .end(`<!doctype html><script>${source.replaceAll('</script', '<\\/script')}</script>`);
  });
  await new Promise<void>((resolve) => server.listen(pagePort, '127.0.0.1', resolve));
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${pagePort}/`);
    const texts = ['one', 'two', 'three'];
    const call = `roundTrip(${JSON.stringify(`ws://${host}:${webPort}/ws/amqp`)}, ${JSON.stringify(texts)})`;
    const received = await page.evaluate(call);
    const isEqual = JSON.stringify(received) === JSON.stringify(texts);
    return { code: isEqual ? 0 : 1, output: `the page received ${JSON.stringify(received)}` };
  } catch (error) {
    return { code: 1, output: String(error) };
  } finally {
    await browser.close();
    server.close();
    server.closeAllConnections();
  }
}
