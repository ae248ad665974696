import { afterAll, describe, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Env, loadConfig } from '../../router/config/config';
import { repositoryRoot } from '../../router/config/root';
import { setUp } from '../../scripts/setup';

const folder = mkdtempSync(join(tmpdir(), 'setup-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const newFolder = (): string => mkdtempSync(join(folder, 'clone-'));

/** The content of the `.env` in `directory`, as Bun would read it. */
function written(directory: string): Record<string, string> {
  const lines = readFileSync(join(directory, '.env'), 'utf8').split('\n');
  return Object.fromEntries(lines.filter((line) => /^\w+=/.test(line)).map((line) => line.split('=')));
}

const full: Env = {
  JWT_SECRET: 'x'.repeat(32),
  ENCRYPTION_KEY: 'ab'.repeat(32),
  BOOTSTRAP_ADMIN_EMAIL: 'root@agents.lan',
  BOOTSTRAP_ADMIN_PASSWORD: 'four words and more',
};

describe('the first start', () => {
  test('writes secrets the router accepts, readable by their owner alone', () => {
    const directory = newFolder();
    setUp(directory, {});
    const { config, secrets } = loadConfig(written(directory));
    expect(config.bootstrapAdmin).toEqual({ email: 'admin@agent-stack.local', name: 'Admin' });
    expect(secrets.bootstrapAdminPassword).toMatch(/^([0-9a-z]{5}-){3}[0-9a-z]{5}$/);
    expect(written(directory).BUN_CONFIG_MAX_HTTP_REQUESTS).toBe('8192');
    expect(statSync(join(directory, '.env')).mode & 0o777).toBe(0o600);
  });

  test('tells the address, the e-mail and the password, and no other secret', () => {
    const directory = newFolder();
    const told = setUp(directory, { FRONTEND_PORT: '9000' });
    const { JWT_SECRET = '', ENCRYPTION_KEY = '', BOOTSTRAP_ADMIN_PASSWORD = '' } = written(directory);
    expect(told).toContain('http://127.0.0.1:9000');
    expect(told).toContain('admin@agent-stack.local');
    expect(told).toContain(BOOTSTRAP_ADMIN_PASSWORD);
    expect(told).not.toContain(JWT_SECRET);
    expect(told).not.toContain(ENCRYPTION_KEY);
  });

  test('makes other secrets each time', () => {
    const [one, two] = [newFolder(), newFolder()];
    setUp(one, {});
    setUp(two, {});
    for (const name of ['JWT_SECRET', 'ENCRYPTION_KEY', 'BOOTSTRAP_ADMIN_PASSWORD']) {
      expect(written(one)[name]).not.toBe(written(two)[name]);
    }
  });

  test('never touches an .env that has the secrets, or whose secrets are in the environment', () => {
    for (const [text, env] of [
      [`JWT_SECRET=a\nexport ENCRYPTION_KEY="b"\n`, {}],
      ['MINE=1\n', { JWT_SECRET: full.JWT_SECRET, ENCRYPTION_KEY: full.ENCRYPTION_KEY }],
    ] as const) {
      const directory = newFolder();
      writeFileSync(join(directory, '.env'), text);
      expect(setUp(directory, env)).toBeUndefined();
      expect(readFileSync(join(directory, '.env'), 'utf8')).toBe(text);
    }
  });

  test('adds the ENCRYPTION_KEY that the .env of the first agent-stack lacks, and changes no other line', () => {
    const directory = newFolder();
    const old = `JWT_SECRET=${'o'.repeat(40)}\nBOOTSTRAP_ADMIN_EMAIL=admin@local\nBOOTSTRAP_ADMIN_PASSWORD=an-old-password\nALLOW_SIGNUP=true`;
    writeFileSync(join(directory, '.env'), old);
    const told = setUp(directory, written(directory));
    expect(told).toContain('ENCRYPTION_KEY');
    expect(told).not.toContain('JWT_SECRET');
    expect(readFileSync(join(directory, '.env'), 'utf8')).toStartWith(`${old}\n`);
    const { config } = loadConfig(written(directory));
    expect(config.bootstrapAdmin?.email).toBe('admin@local');
    expect(setUp(directory, written(directory))).toBeUndefined();
  });

  test('adds a secret whose line has no value, and what is added is what counts', () => {
    const directory = newFolder();
    const text = `JWT_SECRET=${'o'.repeat(40)}\nENCRYPTION_KEY="" # openssl rand -hex 32\n`;
    writeFileSync(join(directory, '.env'), text);
    expect(setUp(directory, {})).toContain('ENCRYPTION_KEY');
    expect(written(directory).ENCRYPTION_KEY).toMatch(/^[0-9a-f]{64}$/);
  });

  test('refuses a secret that refers to a variable without a value: one of ours could hide the right one', () => {
    const directory = newFolder();
    const text = `JWT_SECRET=${'o'.repeat(40)}\nENCRYPTION_KEY='$KEY_OF_THE_VAULT'\n`;
    writeFileSync(join(directory, '.env'), text);
    const script = join(repositoryRoot, 'scripts/setup.ts');
    const start = (env: Record<string, string>) => {
      const { stdout, stderr, exitCode } = Bun.spawnSync([process.execPath, script], { cwd: directory, env });
      return { exitCode, told: stdout.toString(), complaint: stderr.toString() };
    };
    expect(start({})).toEqual({
      exitCode: 1,
      told: '',
      complaint: expect.stringMatching(/ ENCRYPTION_KEY: has a \$ in .env, and so refers to another variable/),
    });
    const admin = { BOOTSTRAP_ADMIN_EMAIL: 'root@agents.lan', BOOTSTRAP_ADMIN_PASSWORD: 'four words and more' };
    const key = { KEY_OF_THE_VAULT: full.ENCRYPTION_KEY ?? '' };
    expect(start({ ...admin, ...key })).toEqual({ exitCode: 0, told: '', complaint: '' });
    expect(readFileSync(join(directory, '.env'), 'utf8')).toBe(text);
  });

  test('never writes through a link', () => {
    const directory = newFolder();
    symlinkSync(join(folder, 'elsewhere'), join(directory, '.env'));
    expect(setUp(directory, {})).toBeUndefined();
    expect(() => statSync(join(folder, 'elsewhere'))).toThrow();
  });

  test('writes only what the environment lacks, and does not show a password it did not make', () => {
    const directory = newFolder();
    const { ENCRYPTION_KEY, ...env } = full;
    const told = setUp(directory, env);
    expect(Object.keys(written(directory))).toEqual(['ENCRYPTION_KEY', 'BUN_CONFIG_MAX_HTTP_REQUESTS']);
    expect(told).toContain('root@agents.lan');
    expect(told).not.toContain('four words');
  });

  test('writes nothing when the environment has it all', () => {
    const directory = newFolder();
    expect(setUp(directory, full)).toBeUndefined();
    expect(() => statSync(join(directory, '.env'))).toThrow();
  });
});

describe('bin/bun-path', () => {
  /** Runs it with a PATH that has `sh` and the given programs, each a line of shell. */
  function bunPath(programs: Record<string, string>) {
    const bin = newFolder();
    for (const needed of ['sh', 'dirname']) symlinkSync(Bun.which(needed) ?? needed, join(bin, needed));
    for (const [name, line] of Object.entries(programs)) {
      writeFileSync(join(bin, name), `#!/bin/sh\n${line}\n`);
      chmodSync(join(bin, name), 0o755);
    }
    // A copy, so that the packages of this repository are not found.
    const clone = newFolder();
    mkdirSync(join(clone, 'bin'));
    symlinkSync(join(repositoryRoot, 'bin/bun-path'), join(clone, 'bin/bun-path'));
    const { stdout, stderr, exitCode } = Bun.spawnSync([join(clone, 'bin/bun-path')], { env: { PATH: bin } });
    return { bin, printed: stdout.toString().trim(), complaint: stderr.toString(), exitCode };
  }

  test.each(['1.4.5', '1.5.0', '1.10.0-canary.3+abc'])('takes Bun %s from PATH', (version) => {
    const { bin, printed } = bunPath({ bun: `echo ${version}` });
    expect(printed).toBe(join(bin, 'bun'));
  });

  test.each(['1.4.4', '1.3.99', '0.9.9', '2.0.0', 'nonsense'])('passes over Bun %s for the one of npm', (version) => {
    const fetched = join(newFolder(), 'bun');
    writeFileSync(fetched, '#!/bin/sh\necho 1.4.5\n', { mode: 0o755 });
    expect(bunPath({ bun: `echo ${version}`, npx: `echo ${fetched}` }).printed).toBe(fetched);
  });

  test('says what is missing when there is neither Bun nor npm', () => {
    const { exitCode, complaint } = bunPath({});
    expect(exitCode).toBe(1);
    expect(complaint).toContain('https://bun.sh');
  });

  test('says so when npm cannot fetch it', () => {
    const { exitCode, complaint } = bunPath({ npx: 'exit 1' });
    expect(exitCode).toBe(1);
    expect(complaint).toContain('could not be fetched');
  });
});
