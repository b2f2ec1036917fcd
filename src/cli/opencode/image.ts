import type { Config } from '../../config/config.ts';
import { BridgeError, quote } from '../../errors.ts';
import type { DockerClient } from '../../runners/docker/docker-client.ts';
import { print } from './output.ts';

const DIGEST = /^(?:[^@\s]+@)?sha256:[0-9a-f]{64}$/;
const ID = /^sha256:/;
const LONGEST = 500;

/** The id of OPENCODE_IMAGE, which is pulled where it is not there. Throws INVALID_INPUT where it is not pinned. */
export async function presentImage(
  engine: DockerClient,
  { image, allowTag }: Config['engine'],
): Promise<string> {
  const pinned = requirePinned(image, allowTag);
  const there = await engine.imageId(pinned);
  if (there !== undefined) return there;
  if (ID.test(pinned)) throw missing(pinned);
  print(`pulling ${pinned}…`);
  await engine.pull(pinned);
  const pulled = await engine.imageId(pinned);
  if (pulled === undefined) throw missing(pinned);
  return pulled;
}

function requirePinned(image: string | undefined, allowTag: boolean): string {
  if (image === undefined) {
    throw new BridgeError('INVALID_INPUT', 'OPENCODE_IMAGE is not set.', {
      next: 'Set it to name@sha256:…, or to the id (sha256:…) of an image that you have built.',
    });
  }
  if (allowTag || DIGEST.test(image)) return image;
  throw new BridgeError(
    'INVALID_INPUT',
    `OPENCODE_IMAGE ${quote(image, LONGEST)} has no digest: it can be another image tomorrow.`,
    {
      next: `Find it with docker image inspect --format '{{.Id}} {{.RepoDigests}}' ${image}, and set OPENCODE_IMAGE to name@sha256:… or, for an image of your own, to its id; OPENCODE_ALLOW_TAG=true accepts the tag.`,
    },
  );
}

function missing(image: string): BridgeError {
  return new BridgeError(
    'ENGINE_NOT_FOUND',
    `Docker has no image ${quote(image, LONGEST)} (OPENCODE_IMAGE).`,
    {
      next: 'Build it (docs/reproducible-engine.md) and take its id, or name one that can be pulled: name@sha256:…',
    },
  );
}
