// The phone of page.mjs in Chromium without a window, driven line by line as phone.mjs is.
//
//   node browser.mjs CHROMIUM WSS-URL SIP-URI PASSWORD WAV-FILE

import { createServer } from 'node:http';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const [executablePath, url, uri, password, wav] = process.argv.slice(2);
const say = (type, more = {}) => process.stdout.write(`${JSON.stringify({ type, ...more })}\n`);

const { outputFiles } = await build({
  entryPoints: [`${dirname(fileURLToPath(import.meta.url))}/page.mjs`],
  bundle: true,
  write: false,
  format: 'iife',
  define: { global: 'window' },
});
const [script] = outputFiles;
// Only a page of a host, and of this one without TLS, may use the microphone.
const pages = createServer((request, response) => {
  response.setHeader('Content-Type', 'text/html');
  response.end('<!doctype html><title>phone</title>');
});
await new Promise(done => pages.listen(0, '127.0.0.1', done));

const patience = 120_000; // ms: on a busy machine it takes long to start
const browser = await chromium.launch({
  executablePath,
  timeout: patience,
  args: [
    '--no-sandbox',
    '--use-fake-device-for-media-stream',
    '--use-fake-ui-for-media-stream',
    `--use-file-for-fake-audio-capture=${wav}`,
    '--autoplay-policy=no-user-gesture-required',
    '--allow-loopback-in-peer-connection',
    '--disable-features=WebRtcHideLocalIpsWithMdns',
  ],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true, permissions: ['microphone'] });
context.setDefaultTimeout(patience);
const page = await context.newPage();
page.on('pageerror', error => say('error', { text: String(error.message) }));
await page.exposeFunction('tell', line => process.stdout.write(`${line}\n`));
await page.goto(`http://127.0.0.1:${pages.address().port}/`);
await page.addScriptTag({ content: script.text });
await page.evaluate(parameters => window.begin(parameters), { url, uri, password });

async function quit() {
  await page.evaluate(() => window.commands.stop()).catch(() => {});
  await browser.close();
  process.exit(0);
}

createInterface({ input: process.stdin }).on('line', line => {
  const { command, ...parameters } = JSON.parse(line);
  if (command === 'quit') {
    quit();
    return;
  }
  page.evaluate(([name, more]) => window.commands[name](more), [command, parameters])
    .catch(error => say('error', { command, text: String(error.message) }));
}).on('close', quit);
