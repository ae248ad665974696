/** Law 22: the classes of addresses in all their spellings, and the form of a base URL. */
import { expect, test } from 'bun:test';
import { addressBelow, baseUrlProblem, reachOf } from '../../router/net/addresses';

test('law 22: special addresses are never called, in any notation', () => {
  const never = [
    ...['169.254.169.254', '0xa9.0xfe.0xa9.0xfe', '0251.0376.0251.0376', '2852039166', '169.254.43518', '0.0.0.0', '0'],
    ...['224.0.0.1', '255.255.255.255', '100.100.100.200', '168.63.129.16', '169.254.169.254.', '１６９.254.169.254'],
    ...[
      '[::]',
      '[::ffff:169.254.169.254]',
      '[::ffff:a9fe:a9fe]',
      '[64:ff9b::169.254.169.254]',
      '[64:ff9b:1::a9fe:a9fe]',
    ],
    ...['[::169.254.169.254]', '[::ffff:0:169.254.169.254]', '[2002:a9fe:a9fe::1]', '[2001:0:1::1]', '[fe80::1]'],
    ...['[fd00:ec2::254]', '[ff02::1]', '[::ffff:0.0.0.0]', 'metadata', 'METADATA.google.internal.', 'instance-data'],
  ];
  for (const host of never) {
    expect([host, baseUrlProblem(`http://${host}/v1`)]).toEqual([host, expect.stringContaining('never called')]);
  }
  for (const url of [
    'ftp://a.example/',
    'file:///etc/passwd',
    'a.example/v1',
    'http://',
    'javascript:1',
    'http://[fe80::1%25eth0]/',
  ]) {
    expect([url, baseUrlProblem(url)]).toEqual([url, expect.stringContaining('http or https')]);
  }
  for (const url of ['http://u:p@a.example/', 'http://a.example/?x', 'http://a.example/#x']) {
    expect([url, baseUrlProblem(url)]).toEqual([url, expect.stringContaining('plain address')]);
  }
  for (const url of ['https://api.openai.com/v1', 'http://127.0.0.1:11434/v1', 'http://[::1]/v1', 'http://10.0.0.1']) {
    expect([url, baseUrlProblem(url)]).toEqual([url, undefined]);
  }
});

test('law 22: private and loopback addresses are known as such, also inside of IPv6', () => {
  const kinds = {
    private: ['127.0.0.1', '127.9.9.9', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '::1'],
    public: ['8.8.8.8', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::808:808'],
  };
  const inIpv6 = ['fd12:3456::1', '::ffff:127.0.0.1', '::ffff:10.0.0.1', '64:ff9b::7f00:1', '64:ff9b::10.0.0.1'];
  for (const address of [...kinds.private, ...inIpv6])
    expect([address, reachOf(address)]).toEqual([address, 'private']);
  for (const address of kinds.public) expect([address, reachOf(address)]).toEqual([address, 'public']);
});

test("law 22: IANA's registries of special-purpose addresses decide what is public", () => {
  const never = [
    ...[
      '192.0.0.1',
      '192.0.0.192',
      '192.0.2.1',
      '192.88.99.1',
      '198.51.100.1',
      '203.0.113.1',
      '240.0.0.1',
      '192.31.196.1',
    ],
    ...[
      '100::1',
      '2001:2::1',
      '2001:3::1',
      '2001:10::1',
      '2001:20::1',
      '2001:30::1',
      '2001:db8::1',
      '3fff::1',
      '5f00::1',
    ],
    ...[
      'fec0::1',
      'fe80::1%eth0',
      '::8.8.8.8',
      '::ffff:0:8.8.8.8',
      '64:ff9b:1::1',
      '2620:4f:8000::1',
      '4000::1',
      '::2',
    ],
    ...['2606:4700::5efe:a00:1', '2606:4700::200:5efe:a00:1', '::ffff:192.0.0.192', '64:ff9b::192.0.0.192'],
  ];
  for (const address of never) expect([address, reachOf(address)]).toEqual([address, 'never']);
  // Local proxies resolve every name to such addresses.
  expect(reachOf('198.18.0.1')).toBe('private');
});

test('a base URL is a plain address and path as it is written, and is called at that path', () => {
  const refused = [
    ...[
      '/v1?',
      '/v1#',
      '?',
      '#',
      '/v1/?',
      '/v1?#',
      '/v1\\',
      '\\v1',
      '/v1/..',
      '/v1/../',
      '/../v1',
      '/./v1',
      '/v1/.',
      '/..;/v1',
    ],
    ...[
      '/%2e%2e/v1',
      '/.%2E',
      '/v1%2f..%2fadmin',
      '/v1%5c',
      '/v1%3f',
      '/v1%23',
      '/v1%00',
      '/v1%0d%0aX:',
      '/v1%',
      '/v1%zz',
      '/v1%252e',
    ],
    ...[' ', '/v1 ', '/v 1', '/v1\t', '\n', '/v1//x', '/v1/\u00e9', '/v1;x', '/{x}', '/v1|', '/"', '/<x>', '/`', '/^'],
  ];
  for (const end of refused) {
    const url = `http://127.0.0.1:2375${end}`;
    expect([url, baseUrlProblem(url)]).toEqual([url, expect.stringContaining('plain address')]);
  }
  const others = [
    'http:127.0.0.1/v1',
    'http:/127.0.0.1/v1',
    'http:\\\\127.0.0.1',
    ' http://a.example',
    'http://@a.example/',
    'http://:@a.example',
  ];
  for (const url of [
    ...others,
    'http://%31%32%37.0.0.1/v1',
    'http://a.example@127.0.0.1/',
    'http:///127.0.0.1/v1',
    'http://a\u00ad.example/ ',
  ]) {
    expect([url, baseUrlProblem(url)]).toEqual([url, expect.stringContaining('plain address')]);
  }
  const called = {
    'https://api.example/v1': 'https://api.example/v1/chat/completions',
    'https://api.example/v1///': 'https://api.example/v1/chat/completions',
    'HTTPS://API.example': 'https://api.example/chat/completions',
    'http://[::1]:8080/a-b_c~d/x:y@z/m%20n': 'http://[::1]:8080/a-b_c~d/x:y@z/m%20n/chat/completions',
  };
  for (const [url, address] of Object.entries(called)) {
    expect([url, baseUrlProblem(url), addressBelow(url, 'chat/completions')]).toEqual([url, undefined, address]);
  }
});
