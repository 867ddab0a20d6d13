/** Every bound on what is sent, accepted and waited for, with its reason. Times in milliseconds. */

// Discovery

/** The port of queries (UDP) and of content (TCP), as in 2008. */
export const PORT = 38339;

/** A query or a reply, in bytes: fits one frame on every kind of link, tunnels included. */
export const MAX_DATAGRAM_SIZE = 1400;

/** After the first query, when it is repeated: broadcasts get lost, on Wi-Fi above all. */
export const QUERY_REPEATS_MS: readonly number[] = [50, 150, 400, 1000];

/** How long to wait for a first answer where no peer was seen lately: every download passes here. */
export const WAIT_ALONE_MS = 250;

/** The same where peers are known: power-saving Wi-Fi holds broadcasts back for a second and more. */
export const WAIT_WITH_PEERS_MS = 2000;

/** How long after the query a further peer may still join, when one has answered already. */
export const WAIT_FOR_LATE_MS = 1200;

/** How long a peer counts as seen lately: a week, so that Monday remembers Friday. */
export const LATELY_MS = 7 * 24 * 60 * 60 * 1000;

/** Queries that one address gets answered: a fetch sends 5 a second, and some run at once. */
export const QUERIES_PER_SECOND = 50;

/** Addresses whose queries are counted: more than a network has, and under 1 MB. */
export const REMEMBERED_ADDRESSES = 4096;

/** Queries that are remembered so that their repetitions are not told of: some seconds of a room. */
export const REMEMBERED_QUERIES = 1024;

// What a peer may send

/** A manifest, in bytes: 2 million files have about this much, and it is held in memory. */
export const MAX_MANIFEST_SIZE = 256 * 1024 * 1024;

/** The path of a request: four digests and an ending take under 300 characters. */
export const MAX_PATH_LENGTH = 2048;

/** The records that describe one entry of an archive, in bytes together: names are under 4 KiB. */
export const MAX_TAR_RECORD_SIZE = 256 * 1024;

/** Entries of an archive: as many files as the largest manifest lists. */
export const MAX_UNPACKED_ENTRIES = 2_000_000;

/** An unpacked archive, in bytes: its size is not known before, and a small one can become large. */
export const MAX_UNPACKED_SIZE = 64 * 1024 ** 3;

/** How long a peer may take to accept a connection and begin its answer. */
export const CONNECT_TIMEOUT_MS = 5000;

/** How long a peer may send nothing in the middle of an answer. */
export const STALL_TIMEOUT_MS = 2000;

/** What a fetch gathers before it hashes and writes, in bytes: large enough to hide the calls. */
export const BLOCK_SIZE = 256 * 1024;

// What a server gives

/** What is read from a file at once, in bytes: the fastest size, and little memory a transfer. */
export const CHUNK_SIZE = 256 * 1024;

/** Answers with a body that are under way: each holds a file open and some chunks in memory. */
export const MAX_TRANSFERS = 64;

/** The same for one address: a fetch has some at once, and nobody may take all places. */
export const MAX_TRANSFERS_PER_ADDRESS = 16;

/** When a peer that found no place should ask again, in seconds. */
export const BUSY_RETRY_SECONDS = 2;

/** How long a reader may take nothing of an answer before its place is given to others. */
export const STALLED_READER_MS = 30_000;

/** How long running transfers may go on after the server was told to stop. */
export const SHUTDOWN_MS = 5000;
