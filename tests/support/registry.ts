/**
 * An image registry on loopback (OCI distribution 1.1, read only), which an engine accepts without TLS. Its one image
 * is built here; the test decides how slow the layers are and who may fetch them.
 *
 *     await using registry = await startRegistry();
 *     registry.hold();                       // layers stop half-way …
 *     await driver.prepare(registry.image, context);
 */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const layerBytes = 3_000_000;
const layers = 3;
/** Of a layer that is held. */
const pieces = 4;
const pieceMs = 150;
const types = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
};

export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:port`. */
  readonly host: string;
  /** A different image for each registry, so that no engine has it yet. */
  readonly image: string;
  /** Requires this sign-in from now on. */
  requireSignIn(username: string, password: string): void;
  /** Sends layers slowly from now on, and stops half-way until `release`. */
  hold(): void;
  release(): void;
  /** Digests of the layers that were requested so far. */
  readonly fetched: readonly string[];
  /** Layers whose reader disconnected before the end. */
  readonly abandoned: readonly string[];
}

export async function startRegistry(): Promise<Registry> {
  const name = `runner-${crypto.randomUUID().slice(0, 8)}`;
  const { manifest, blobs } = await makeImage();
  const fetched: string[] = [];
  const abandoned: string[] = [];
  let signIn: string | undefined;
  let released: PromiseWithResolvers<void> | undefined;

  const sendBlob = async (digest: string, response: ServerResponse) => {
    const bytes = blobs.get(digest);
    if (bytes === undefined) return refuse(response, 404, 'BLOB_UNKNOWN');
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes.length });
    if (bytes.length < layerBytes) return void response.end(bytes);
    fetched.push(digest);
    response.on('close', () => response.writableFinished || abandoned.push(digest));
    const piece = Math.ceil(bytes.length / pieces);
    for (let at = 0; at < bytes.length; at += piece) {
      if (at === piece * (pieces / 2)) await released?.promise;
      response.write(bytes.subarray(at, at + piece));
      // An engine reports its progress at most ten times a second.
      if (released !== undefined) await Bun.sleep(pieceMs);
    }
    response.end();
  };
  // Not Bun.serve, which drops the length of streams: without it an engine shows no progress.
  const server = createServer((request, response) => {
    if (signIn !== undefined && request.headers.authorization !== signIn) {
      response.setHeader('www-authenticate', 'Basic realm="the registry of the tests"');
      return refuse(response, 401, 'UNAUTHORIZED');
    }
    if (request.url === '/v2/') return void response.end('{}');
    const [, kind, reference = ''] = new RegExp(`^/v2/${name}/(manifests|blobs)/(.+)$`).exec(request.url ?? '') ?? [];
    if (kind === 'blobs') return void sendBlob(reference, response);
    const isManifest = reference === '1' || reference === digestOf(manifest);
    if (kind !== 'manifests' || !isManifest) return refuse(response, 404, 'MANIFEST_UNKNOWN');
    response.writeHead(200, {
      'content-type': types.manifest,
      'content-length': manifest.length,
      'docker-content-digest': digestOf(manifest),
    });
    response.end(request.method === 'HEAD' ? undefined : manifest);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const host = `127.0.0.1:${port}`;
  return {
    ...{ host, fetched, abandoned },
    image: `${host}/${name}:1`,
    requireSignIn(username, password) {
      signIn = `Basic ${btoa(`${username}:${password}`)}`;
    },
    hold() {
      released = Promise.withResolvers();
    },
    release: () => released?.resolve(),
    async [Symbol.asyncDispose]() {
      released?.resolve();
      server.closeAllConnections();
      server.close();
    },
  };
}

function refuse(response: ServerResponse, status: number, code: string): void {
  const message = code.toLowerCase().replaceAll('_', ' ');
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
}

function digestOf(bytes: Uint8Array<ArrayBuffer>): string {
  return `sha256:${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}`;
}

/** Layers of random bytes, which no other image shares and which do not compress. */
async function makeImage() {
  const blobs = new Map<string, Uint8Array<ArrayBuffer>>();
  const add = (mediaType: string, bytes: Uint8Array<ArrayBuffer>) => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.length };
  };
  const tars = await Promise.all(Array.from({ length: layers }, (_, index) => makeTar(`file-${index}`)));
  const config = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Cmd: ['/file-0'] },
    rootfs: { type: 'layers', diff_ids: tars.map(digestOf) },
  };
  const manifest = {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: add(types.config, encode(config)),
    layers: tars.map((tar) => add(types.layer, new Uint8Array(Bun.gzipSync(tar)))),
  };
  return { manifest: encode(manifest), blobs };
}

const encode = (value: object) => new Uint8Array(new TextEncoder().encode(JSON.stringify(value)));

async function makeTar(name: string): Promise<Uint8Array<ArrayBuffer>> {
  const directory = await mkdtemp(join(tmpdir(), 'agent-stack-layer-'));
  try {
    const random = new Uint8Array(layerBytes);
    for (let at = 0; at < layerBytes; at += 60_000) crypto.getRandomValues(random.subarray(at, at + 60_000));
    await writeFile(join(directory, name), random);
    return new Uint8Array(await Bun.$`tar -C ${directory} -c ${name}`.arrayBuffer());
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
