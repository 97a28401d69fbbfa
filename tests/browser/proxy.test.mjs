// The pages behind a TLS proxy with its own name, at its root and below a path.

import { test } from 'node:test';
import { colorOf, QUIET, Recorder, stats, tlsProxy, until } from '../harness/pages/lab.mjs';
import { browser, close, live, openPage, useBrowser } from '../harness/pages/pages.mjs';

useBrowser({ args: ['--host-resolver-rules=MAP lab.example 127.0.0.1'] });

for (const prefix of ['/', '/team/uxrec/'])
  test(`behind TLS, at ${prefix}, the pages work: live, moderator, library and replay`, async () => {
    const recorder = await Recorder.start([...QUIET, '--allow-host', 'lab.example']);
    const proxy = await tlsProxy(recorder.port, prefix);
    const open = (name, role) =>
      openPage(browser, `https://lab.example:${proxy.port}${prefix}${name}#${recorder.token(role)}`, { ignoreHTTPSErrors: true });
    const session = await recorder.begin();
    const page = await open('live', 'live');
    await live(page);
    await until(() => colorOf(page), 'a picture');
    await close(page);
    const moderator = await open('moderate', 'moderate');
    await moderator.getByRole('button', { name: 'Pause' }).waitFor();
    await close(moderator);
    await recorder.uxrec('stop');
    const library = await open('library', 'library');
    await library.locator(`a[data-session="${session}"]`).click();
    await until(async () => (await stats(library)).state === 'stopped', 'the replay');
    await library.getByRole('link', { name: 'Browser study' }).click();
    await library.locator(`a[data-session="${session}"]`).waitFor();
    await close(library);
    proxy.end();
    await recorder.end();
  });
