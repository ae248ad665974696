import { describe, expect, test } from 'bun:test';
import { joined } from '../../router/web/answers/assets';
import { pages } from '../../scripts/gallery';
import { renderPage } from '../../views/render';
import { all } from './dom';

const names = Object.keys(pages);

function html(name: string): string {
  return rendered(name, false);
}

function rendered(name: string, isEntry: boolean): string {
  const page = pages[name];
  if (!page) throw new Error(`no page ${name}`);
  return renderPage(page(), { assets: (asset) => `/assets/${asset}`, locale: 'en', isEntry });
}

describe.each(names)('page %s', (name) => {
  test('is a whole document with a title and exactly one h1', async () => {
    expect(html(name)).toStartWith('<!doctype html><html lang="en" data-formats="en">');
    expect((await all(html(name), 'head title'))[0]?.text).toEndWith('· agent-stack');
    const headings = (await all(html(name), 'h1')).length;
    expect(headings).toBe(1);
  });

  test('every form posts to a path of ours, but for those that only choose what a page shows', async () => {
    for (const form of await all(html(name), 'form')) {
      expect(form.attributes.method).toBe(/^(range|search)-form$/.test(form.attributes.class ?? '') ? 'get' : 'post');
      expect(form.attributes.action).toMatch(/^\/[a-z-]+/);
      if (form.attributes['hx-post']) expect(form.attributes['hx-post']).toBe(form.attributes.action ?? '');
    }
  });

  test('ids are unique and every reference to one is answered', async () => {
    const elements = await all(html(name), '*');
    const ids = elements.flatMap((element) => element.attributes.id ?? []);
    expect(ids).toEqual([...new Set(ids)]);
    for (const { attributes } of elements) {
      const references = ['for', 'form', 'popovertarget', 'aria-labelledby', 'aria-describedby'];
      const named = references.flatMap((key) => attributes[key]?.split(' ') ?? []);
      for (const id of named) expect(ids).toContain(id);
    }
  });

  test('has nothing a strict CSP refuses', async () => {
    for (const element of await all(html(name), '*')) {
      for (const [key, value] of Object.entries(element.attributes)) {
        expect(key).not.toMatch(/^(style|on|hx-on)/);
        expect(value).not.toMatch(/^(js|javascript):/);
      }
    }
    for (const script of await all(html(name), 'script')) {
      expect(script.attributes.src).toStartWith('/assets/');
      expect(script.text).toBe('');
    }
    expect(await all(html(name), 'style')).toEqual([]);
  });

  test('every control has a name', async () => {
    for (const control of await all(html(name), 'button, a')) {
      const { 'aria-label': label, 'aria-labelledby': labelled } = control.attributes;
      expect(label || labelled || control.text).toBeTruthy();
    }
    const labels = (await all(html(name), 'label')).map((label) => label.attributes.for);
    for (const input of await all(html(name), 'input:not([type="hidden"], [aria-labelledby]), select, textarea')) {
      expect(labels).toContain(input.attributes.id ?? '');
    }
  });
});

test('the page reloads itself without scripts only while an answer grows', async () => {
  const [noscript] = await all(html('streaming'), 'noscript');
  expect(noscript?.text).toBe('<meta http-equiv="refresh" content="2"/>');
  expect(await all(html('conversation'), 'noscript')).toEqual([]);
});

test('a page is painted in parts only for readers who come from outside, and only where a sidebar comes first', async () => {
  const scriptOf = async (name: string, isEntry: boolean) => {
    const shown = rendered(name, isEntry);
    const [script] = await all(shown, 'script[src$="app.js"]');
    const { blocking, fetchpriority } = script?.attributes ?? {};
    return { blocking, fetchpriority, isInParts: shown.includes('data-entered') };
  };
  // Its text waits for the script, which must not wait for anything: browsers fetch deferred scripts last.
  expect(await scriptOf('conversation', true)).toMatchObject({ fetchpriority: 'high', isInParts: true });
  expect(await scriptOf('conversation', true)).not.toHaveProperty('blocking', 'render');
  expect(await scriptOf('conversation', false)).toMatchObject({ blocking: 'render', isInParts: false });
  expect(await scriptOf('sign-in', true)).toMatchObject({ blocking: 'render', isInParts: false });
});

test('a page has one stream, and none nor htmx where nobody is signed in', async () => {
  const [stream, ...more] = await all(html('conversation'), '#live');
  expect(stream?.attributes).toMatchObject({ 'hx-sse:connect': '/silent', 'hx-swap': 'none' });
  expect(more).toEqual([]);
  expect(await all(html('settings'), '#live')).toHaveLength(1);
  expect(await all(html('settings'), '#htmx[href*="htmx.js"]')).toHaveLength(1);
  expect(await all(html('sign-in'), '#live, #htmx')).toEqual([]);
});

test('missing credentials are named by their words, with the way to add them', async () => {
  const [notice] = await all(html('new'), '#missing-credentials');
  expect(notice?.text).toContain('API key, Model');
  const [link] = await all(html('new'), '#missing-credentials a');
  expect(link?.attributes.href).toBe('/settings#credentials');
});

test('a disabled agent has no composer and no suggestions', async () => {
  expect(await all(html('new-disabled'), '#composer, .suggestions')).toEqual([]);
  expect(await all(html('new'), '#composer, .suggestions')).toHaveLength(2);
});

test('a secret is never in a page, only its mask', async () => {
  const secrets = await all(html('settings'), 'input[type="password"]');
  expect(secrets.length).toBeGreaterThan(0);
  for (const input of secrets) expect(input.attributes.value).toBeUndefined();
});

test('an invalid field says so, keeps what was typed and is tied to its error', async () => {
  const [email] = await all(html('sign-up'), '#email');
  expect(email?.attributes).toMatchObject({ 'aria-invalid': 'true', 'aria-describedby': 'email-error' });
  expect((await all(html('sign-up'), '#name'))[0]?.attributes.value).toBe('Ada');
  expect((await all(html('sign-in-refused'), '[role="alert"]'))[0]?.text).toBe('E-mail or password is wrong.');
});

test('a page with its styles and scripts is under 60 KB on the wire', async () => {
  const page = html('conversation');
  const sources = await all(page, 'script[src], link[rel="preload"], link[rel="stylesheet"]');
  const names = sources.map(({ attributes }) => (attributes.src ?? attributes.href ?? '').slice('/assets/'.length));
  expect(names).toContain('htmx.js');
  let bytes = Bun.gzipSync(page).length;
  for (const name of names) {
    bytes += Bun.gzipSync(joined.get(name)?.content ?? (await assetFile(name).bytes())).length;
  }
  expect(bytes).toBeLessThan(60 * 1024);
});

test('every icon is in the sprite', async () => {
  const { iconNames } = await import('../../views/icons');
  const symbols = await all(await assetFile('icons.svg').text(), 'symbol');
  expect(symbols.map((symbol) => symbol.attributes.id)).toEqual(['mark', ...iconNames]);
});

function assetFile(name: string) {
  const root = `${import.meta.dir}/../..`;
  if (name === 'htmx.min.js') return Bun.file(`${root}/node_modules/htmx.org/dist/${name}`);
  if (name === 'hx-sse.min.js') return Bun.file(`${root}/node_modules/htmx.org/dist/ext/${name}`);
  return Bun.file(`${root}/views/assets/${name}`);
}
