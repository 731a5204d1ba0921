import { installCodecs } from '../io/codecs/install.js';
import { RealDisk } from '../io/disk/real-disk.js';
import { installNativeCrc32c } from '../io/native-crc.js';
import { setCodec } from '../record/codec.js';
import { type CleanJob, type CleanResult, cleanSegment } from '../storage/clean-segment.js';

const disk = new RealDisk();
// What does not load here is reported by the shards, which load the same when they meet it.
installNativeCrc32c(() => undefined);
installCodecs(setCodec, () => undefined);

/** Rewrites one segment without what may go; runs on a thread of the background pool. */
export default function clean(job: CleanJob): CleanResult {
  return cleanSegment(disk, job);
}
