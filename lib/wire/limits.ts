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

/**
 * How long after the query a further peer is expected, when one has answered already: those that answer
 * later join all the same.
 */
export const WAIT_FOR_LATE_MS = 1200;

/**
 * How long a claim to download something, or the word that it is being downloaded, counts: both are
 * repeated several times in that time, and who has died must not be waited for longer.
 */
export const CLAIM_FRESH_MS = 2500;

/** How long after a look at what it knows a machine that waits looks again. */
export const WAITING_PAUSE_MS = 250;

/** How often who waits asks what has become of it, and claims it again. */
export const ASK_AGAIN_MS = 500;

/** How long after its first claim a machine may download when nobody else has claimed the same. */
export const CLAIM_SETTLES_MS = 150;

/** The same when others have: many ask at once then, and answers are late. */
export const CONTENDED_CLAIM_SETTLES_MS = 1500;

/** How soon after a claim the next one may follow because somebody new claims the same. */
export const CLAIM_AGAIN_MS = 100;

/** Servers whose claims of one implementation are kept: more than a network has that want the same at once. */
export const MAX_CLAIMS = 1024;

/** How long somebody whose claim goes first may let his turn pass: he is busy, or lies. */
export const TURN_NOT_TAKEN_MS = 5000;

/** How many may give up a download until the rest do not wait for another: the origin fails. */
export const MAX_TURNS_IN_VAIN = 2;

/** How long a machine that says that it is downloading is waited for: it may lie, or be very slow. */
export const WAITING_AT_MOST_MS = 15 * 60 * 1000;

/** How long a peer counts as seen lately: a week, so that Monday remembers Friday. */
export const LATELY_MS = 7 * 24 * 60 * 60 * 1000;

/** Queries that one address gets answered: a fetch sends 5 a second, and some run at once. */
export const QUERIES_PER_SECOND = 50;

/** Addresses whose queries are counted: more than a network has, and under 1 MB. */
export const REMEMBERED_ADDRESSES = 4096;

/** Queries that are remembered so that their repetitions are not told of: some seconds of a room. */
export const REMEMBERED_QUERIES = 1024;

/** A message of multicast DNS, in bytes (RFC 6762, section 17). */
export const MAX_DNS_MESSAGE_SIZE = 9000;

/**
 * Its questions and records together: a frame of 1,500 bytes has no room for so many, and each costs
 * much more time than the few bytes that it takes.
 */
export const MAX_DNS_ENTRIES = 100;

/** The labels of all its names: names of stores have five at the most, and pointers repeat them for nothing. */
export const MAX_DNS_LABELS = 1000;

/** After the first one, when the question for stores is repeated, in milliseconds. */
export const BROWSE_REPEATS_MS: readonly number[] = [150, 1000];

/**
 * How long a store that multicast DNS told of may take to say whether it has it: one whose firewall
 * lets nothing in must not make every search late.
 */
export const STORE_ANSWER_MS = 1000;

/** How long stores that hear queries, too, get to answer one before they are asked over HTTP. */
export const OWN_STORE_DELAY_MS = 100;

/** Stores that are asked in one search: a room has fewer, and a liar can name as many as he likes. */
export const MAX_STORES = 64;

// What a peer may send

/** A manifest, in bytes: 2 million files have about this much, and it is held in memory. */
export const MAX_MANIFEST_SIZE = 256 * 1024 * 1024;

/** What each zstd frame of a compressed manifest holds but the last one, in bytes. */
export const MANIFEST_FRAME_SIZE = 256 * 1024;

/**
 * How many times as large as on the wire what such a frame holds may be: a fetch holds all of a manifest
 * before it can tell whether it is one. Names and hashes shrink to a third.
 */
export const MANIFEST_EXPANSION = 16;

/** The path and the query of a request: four digests take under 300 characters, a bitfield 342. */
export const MAX_PATH_LENGTH = 2048;

/** The records that describe one entry of an archive, in bytes together: names are under 4 KiB. */
export const MAX_TAR_RECORD_SIZE = 256 * 1024;

/** Entries of an archive: as many files as the largest manifest lists. */
export const MAX_UNPACKED_ENTRIES = 2_000_000;

/**
 * Paths of directories, symlinks and executable files of an archive, and where symlinks lead, in
 * characters: they are held in memory to its end.
 */
export const MAX_UNPACKED_NAMES_SIZE = 128 * 1024 * 1024;

/** An unpacked archive, in bytes: its size is not known before, and a small one can become large. */
export const MAX_UNPACKED_SIZE = 64 * 1024 ** 3;

/** How long a peer may take to accept a connection and begin its answer. */
export const CONNECT_TIMEOUT_MS = 5000;

/** How long a peer may send nothing in the middle of an answer. */
export const STALL_TIMEOUT_MS = 2000;

/**
 * What a peer has to send at least in so much time of waiting for him: less is as good as nothing. Who is
 * in the way of others has to send more: as much as each of twelve gets over a link of 10 Mbit/s.
 */
export const TRICKLE = { bytes: 512, bytesInTheWay: 1024 * 1024, ms: 10_000 } as const;

/**
 * How long whoever sends enough may be in the way of others with what only one brings, a manifest or
 * an archive, the first time: nobody knows how much there is of it.
 */
export const LONG_TURN_MS = 60_000;

/** How long a peer is listened to that says, at most, that he has no place, in seconds at a time. */
export const MAX_RETRY_SECONDS = 10;

/** And at least: one that asks to be asked again at once is asked for nothing else meanwhile. */
export const MIN_RETRY_SECONDS = 0.2;

/** How often in a row he may say so: a busy room is waited for, but not for ever. */
export const MAX_BUSY_ANSWERS = 30;

/**
 * How long a peer is left alone after each failure in a row, before it is given up: in all, as long as
 * it takes to start a server anew. The last one is for those that fail at once, as a port does where
 * nobody listens.
 */
export const RETRIES_MS: readonly number[] = [300, 1000, 3000];

/** What is at once: who was waited for longer is not having his server started anew. */
export const AT_ONCE_MS = 1000;

/** What a peer has to have sent before a failure, in bytes, for that not to count as one in a row. */
export const SOME_PROGRESS = 256 * 1024;

/** How long to wait for the manifest of one peer before another one is asked for it as well. */
export const SECOND_MANIFEST_MS = 500;

/** How long partial peers that have nothing new are waited for when nobody has the rest. */
export const STARVED_MS = 15_000;

/** Between two questions to a partial peer for what it has: its answers to other questions say it, too. */
export const AVAILABILITY_PAUSE_MS = 1000;

/** The same when it is asked for nothing, and there is room for another question. */
export const URGENT_AVAILABILITY_PAUSE_MS = 100;

/** How long a crowd is asked that sends not a byte, whatever else it says. */
export const FRUITLESS_MS = 60_000;

/** Partial peers that are asked what they have at a time: more than are asked for pieces at a time. */
export const MAX_WATCHED_PEERS = 24;

/** What a fetch gathers before it hashes and writes, in bytes: large enough to hide the calls. */
export const BLOCK_SIZE = 256 * 1024;

/** What a peer says of its pieces, in bytes: a bitfield of 2,048 pieces and two numbers. */
export const MAX_AVAILABILITY_SIZE = 4096;

// What a server gives

/** What is read from a file at once, in bytes: the fastest size, and little memory a transfer. */
export const CHUNK_SIZE = 256 * 1024;

/** Answers with a body that are under way: each holds a file open and some chunks in memory. */
export const MAX_TRANSFERS = 64;

/** The same for one address: a fetch has some at once, and nobody may take all places. */
export const MAX_TRANSFERS_PER_ADDRESS = 16;

/**
 * How many places have to be left for each that an address has, for it to get another one: alone it
 * gets all of its own, a room shares them, and nobody with four addresses takes what there is.
 */
export const LEFT_FOR_OTHERS = 3;

/**
 * Answers with a body, manifests too, that are not sent in full: what waits for a reader that takes
 * nothing is in memory, some chunks each, and cannot be taken back before its connection ends. Far
 * more than transfers, for those who stall lose their place, and a room asks for a manifest at once.
 */
export const MAX_UNSENT = 256;

/** The same for one address: its transfers, and as many manifests. */
export const MAX_UNSENT_PER_ADDRESS = 32;

/** When a peer that found no place should ask again, in seconds. */
export const BUSY_RETRY_SECONDS = 2;

/** How long a reader may take nothing of an answer before its place is given to others. */
export const STALLED_READER_MS = 30_000;

/**
 * How long after it could not accept a connection a server listens again, the first time: idle
 * connections are closed meanwhile, which may be all that was needed.
 */
export const LISTEN_AGAIN_MS = 100;

/** The same at most: doubled each time, so that a machine without open files is not kept busy. */
export const LISTEN_AGAIN_MOST_MS = 1000;

/** How long a server tries to listen again: whoever took the port or the files may give them back. */
export const LISTENING_IN_VAIN_MS = 5 * 60 * 1000;

/** How long running transfers may go on after the server was told to stop. */
export const SHUTDOWN_MS = 5000;

/**
 * How long a server waits at most before it says again which pieces it has, in seconds: who has gone
 * away meanwhile keeps a place for that long.
 */
export const MAX_WAIT_SECONDS = 10;

/** How often it looks at what a download on its machine has, while somebody waits for that. */
export const AVAILABILITY_POLL_MS = 100;

/** Requests that wait for pieces: each costs hardly more than its connection. */
export const MAX_WAITS = 256;

/** The same for one address: a fetch has one for each machine and implementation. */
export const MAX_WAITS_PER_ADDRESS = 16;

/** Compressed pieces that are kept in memory, in bytes: over half of what a browser shrinks to. */
export const COMPRESSED_CACHE_BYTES = 64 * 1024 * 1024;

/** What has to be saved for a piece to be worth compressing, as a part of its size. */
export const WORTHWHILE_SAVING = 0.05;

/** Implementations whose piece digests are kept: 64 KiB each at most. */
export const REMEMBERED_PIECE_DIGESTS = 16;

/**
 * Implementations whose piece digests are waited for: twice as many as an address can ask for at
 * once. They are computed one after the other.
 */
export const MAX_COMPUTATIONS = 32;

/** Implementations for which it is counted how often each piece was sent: 8 KiB each at most. */
export const COUNTED_IMPLEMENTATIONS = 64;

/** Files whose hash is known for as long as they are unchanged: about 10 MB. */
export const REMEMBERED_FILES = 50_000;

/** What is sent at once under an upload limit, in bytes: small enough for others to come between. */
export const LIMITED_CHUNK_SIZE = 64 * 1024;
