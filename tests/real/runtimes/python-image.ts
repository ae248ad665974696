/**
 * Images of the runtimes that are on PyPI: their Dockerfiles in `images/`, on a Debian that is made on this machine. It has
 * the Python of the images that people build.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { docker } from '../../support/engine';
import { importImage, isOnEngine, makeSystem, part, type Recipe, shareCertificates } from './image';
import { imagesFolder, packageVersion } from './pins';

/** To be raised with every change of what is done here. */
const recipe = 1;
/** The release of Debian that `images/nanobot/Dockerfile` names. Its Python must be 3.12 or later: see there. */
const suite = 'trixie';
const base = `agent-stack-python:${suite}-${recipe}`;
const packages = ['ca-certificates', 'python3', 'python3-venv', 'tini'];
const files = ['Dockerfile', 'entrypoint.sh'];

export const nanobotRecipe = recipeOf('nanobot', 'nanobot');
export const hermesRecipe = recipeOf('Hermes Agent', 'hermes');

let makingBase: Promise<void> | undefined;

function recipeOf(title: string, folder: string): Recipe {
  const context = join(imagesFolder, folder);
  const content = files.map((file) => readFileSync(join(context, file), 'utf8')).join('\n');
  const hash = new Bun.CryptoHasher('sha256').update(`${base}\n${content}`).digest('hex').slice(0, 8);
  const image = `agent-stack-${folder}:${packageVersion(folder)}-${suite}-${hash}`;
  return {
    title,
    image,
    async make() {
      makingBase ??= makeBase();
      await makingBase;
      await build(image, context);
    },
  };
}

async function makeBase(): Promise<void> {
  if (await isOnEngine(base)) return;
  const folder = await part(`python-${suite}-${recipe}`, (unfinished) =>
    makeSystem(unfinished, suite, packages, shareCertificates),
  );
  const certificates = '/etc/ssl/certs/ca-certificates.crt';
  await importImage(base, join(folder, 'system.tar'), [`ENV PIP_CERT=${certificates}`]);
}

/** The network of the host: a build reaches the registries as this machine does. */
async function build(image: string, context: string): Promise<void> {
  const options = { t: image, buildargs: { BASE: base }, networkmode: 'host', forcerm: true };
  const stream = await docker.buildImage({ context, src: files }, options);
  const lines = (await new Response(stream as unknown as ReadableStream).text()).trim().split('\n');
  const said = lines.map((line) => JSON.parse(line) as { stream?: string; error?: string });
  const problem = said.find(({ error }) => error !== undefined)?.error;
  if (problem === undefined) return;
  const end = said.map(({ stream: text = '' }) => text).join('');
  throw new Error(`${context} could not be built: ${problem}\n${end.slice(-2000)}`);
}
