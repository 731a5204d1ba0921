/** Limits of users, permissions, policies and parameters, and of logins. Sizes in bytes of UTF-8, times in milliseconds. */
import { assert } from '../../base/assert.js';

/** Users of a node. */
export const USERS_MAX = 50_000;
/** Permissions of all users in all virtual hosts, and likewise topic permissions. */
export const PERMISSIONS_MAX = 200_000;
/** Policies and operator policies of all virtual hosts. */
export const POLICIES_MAX = 10_000;
/** Policies of one virtual host, and likewise operator policies: a queue is held against each when it is declared. */
export const POLICIES_PER_VHOST_MAX = 1_000;
/** Parameters of all virtual hosts, the global ones included. */
export const PARAMETERS_MAX = 20_000;
/** A parameter's or policy's JSON. */
export const JSON_BYTES_MAX = 64 * 1024;
/** Characters of JSON and expressions of all policies, parameters and permissions, so that a snapshot of the metadata stays one record. */
export const TEXT_TOTAL_MAX = 16 * 1024 * 1024;
/** Arrays and objects within each other in a value. */
export const JSON_DEPTH_MAX = 32;
/** A regular expression. */
export const PATTERN_BYTES_MAX = 1_024;
/** Tags of a user or a virtual host. */
export const TAGS_MAX = 32;
/** A tag. */
export const TAG_BYTES_MAX = 255;
/** A virtual host's description. */
export const DESCRIPTION_BYTES_MAX = 4_096;
/** A clear password. */
export const PASSWORD_BYTES_MAX = 1_024;
/** Verifiers of one user. */
export const VERIFIERS_MAX = 4;
/** Any part of a verifier: the longest digest is SHA-512's, after four bytes of salt. */
export const VERIFIER_BYTES_MAX = 128;
/** Rounds of PBKDF2: fewer are not slow, more would be an attack on the node. */
export const ITERATIONS_MIN = 4_096;
export const ITERATIONS_MAX = 1_000_000;
/** Rounds for passwords that are set here: some 30 ms of a core. */
export const ITERATIONS = 100_000;
/** Requests that are carried out together. */
export const REQUESTS_MAX = 20_000;
/** What is said of a user's or virtual host's limit. */
export const LIMIT_VALUE_MAX = 0x7fff_ffff;

/** Instructions that an expression may unfold to. */
export const PATTERN_PROGRAM_MAX = 10_000;
/** Compiled expressions that a thread keeps. */
export const PATTERNS_KEPT = 4_096;
/** Verdicts that are kept for one principal. */
export const VERDICTS_KEPT = 1_024;

/** How long a successful login need not be checked again. */
export const LOGIN_CACHE_MS = 10_000;
export const LOGIN_CACHE_ENTRIES = 1_024;
/** Checks that wait for their turn on a shard, and from one address. */
export const LOGINS_WAITING_MAX = 1_024;
export const LOGINS_WAITING_PER_ADDRESS_MAX = 32;
/** Failures that cost nothing but the check. */
export const FAILURES_FREE = 3;
/** The delay of the first failure beyond those; each further one doubles it. */
export const FAILURE_DELAY_MS = 100;
export const FAILURE_DELAY_MAX_MS = 5_000;
/** Verdicts that are withheld for an address: who comes beyond is refused at once, unseen. */
export const WITHHELD_PER_ADDRESS_MAX = 64;
/** So long without a failure, and an address is as good as new. */
export const FAILURES_FORGOTTEN_MS = 60_000;
export const ADDRESSES_KEPT = 10_000;

/** How often sessions are looked at for what time alone does to them. */
export const SESSION_CHECK_MS = 1_000;

/** The same line of the audit log within this time is counted only. */
export const AUDIT_WINDOW_MS = 10_000;
/** Different lines that are kept apart within it. */
export const AUDIT_LINES_MAX = 1_000;

assert(LOGINS_WAITING_PER_ADDRESS_MAX < LOGINS_WAITING_MAX, 'One address cannot fill the queue of logins');
assert(
  ITERATIONS >= ITERATIONS_MIN && ITERATIONS <= ITERATIONS_MAX,
  'The rounds of new passwords are within the limits',
);

/** Names whose connections and channels can be counted at one time, over all shards. */
export const COUNTED_NAMES_MAX = 32_768;
