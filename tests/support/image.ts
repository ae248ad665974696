/**
 * The test image: this Bun, the libraries that it needs, and a volume at `/scratch`. Built on the machine, without a
 * registry.
 */
import { chmod, cp, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { docker as shared } from './engine';

const repository = 'agent-stack-test';

/**
 * The tag identifies the content: the image is built once per version of Bun, in a second or two, and stays on the
 * engine.
 */
export async function testImage(docker = shared): Promise<string> {
  const { size, mtimeMs } = await stat(process.execPath);
  const content = `4 ${Bun.version} ${process.arch} ${size} ${mtimeMs}`;
  const image = `${repository}:${new Bun.CryptoHasher('sha256').update(content).digest('hex').slice(0, 12)}`;
  const isThere = await docker
    .getImage(image)
    .inspect()
    .then(
      () => true,
      () => false,
    );
  if (!isThere) await make(docker, image);
  return image;
}

async function make(docker: typeof shared, image: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'agent-stack-image-'));
  const root = join(directory, 'root');
  try {
    for (const folder of ['usr/bin', 'tmp', 'home', 'etc']) await mkdir(join(root, folder), { recursive: true });
    // A tmpfs takes the mode of the folder that it is mounted on.
    await chmod(join(root, 'tmp'), 0o1777);
    await cp(process.execPath, join(root, 'usr/bin/bun'));
    for (const library of await libraries()) {
      await mkdir(join(root, dirname(library)), { recursive: true });
      await cp(library, join(root, library), { dereference: true });
    }
    await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/false\nrunner:x:1000:1000::/home:/bin/false\n');
    const tar = join(directory, 'image.tar');
    await Bun.$`tar --owner=0 --group=0 -C ${root} -cf ${tar} .`.quiet();
    const [repo, tag] = image.split(':');
    const stream = await docker.importImage(tar, { repo, tag, changes: ['ENV PATH=/usr/bin', 'VOLUME /scratch'] });
    for await (const _ of stream) {
      // Only the end of the stream matters.
    }
    await docker.getImage(image).inspect();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The libraries that the loader would load according to `ldd`, including the loader itself. */
async function libraries(): Promise<readonly string[]> {
  const output = await Bun.$`ldd ${process.execPath}`.text();
  return [...output.matchAll(/(?:=>\s+|^\s*)(\/\S+)/gm)].map(([, path = '']) => path);
}
