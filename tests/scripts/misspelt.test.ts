/** Names of settings that are written wrongly: the router does not read them, and the doctor says so. */
import { expect, test } from 'bun:test';
import { misspelt } from '../../scripts/doctor/misspelt';

test('a name that is nearly that of a setting is noted with the setting', () => {
  expect(misspelt({ ALLOW_SINGUP: 'true', FRONTEND_PROT: '1', COOKIE_SECUR: 'true' })).toEqual(
    [
      ['ALLOW_SINGUP', 'ALLOW_SIGNUP'],
      ['FRONTEND_PROT', 'FRONTEND_PORT'],
      ['COOKIE_SECUR', 'COOKIE_SECURE'],
    ].map(([name, meant]) => ({
      state: 'note',
      text: `${name} is no setting, and is not read`,
      remedy: `write ${meant}, if that is meant`,
    })),
  );
});

test('settings, and names of other programs, are not noted', () => {
  const names = [
    'ALLOW_SIGNUP',
    'HTTP_PROXY',
    'http_proxy',
    'FTP_PROXY',
    'PATH',
    'HOME',
    'LOGNAME',
    'LLM_BASE_URL',
    'TZ',
  ];
  expect(misspelt(Object.fromEntries(names.map((name) => [name, 'x'])))).toEqual([]);
});
