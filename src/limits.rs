//! Every number that bounds something, with its unit in its name or its comment. `docs/configuration.md` lists them all;
//! a test compares the two.

use std::time::Duration;

/// Bytes in a MiB.
const MIB: usize = 1024 * 1024;

// Archives

/// Entries of one wheel or source distribution. The largest honest ones have some tens of thousands.
pub const ARCHIVE_ENTRIES_MAX: usize = 200_000;
/// Bytes of one entry's path in an archive: what Linux takes.
pub const ARCHIVE_PATH_BYTES_MAX: usize = 4096;
/// How many times its own size an archive may unpack to. PyPI's rule; ordinary wheels reach ten.
pub const ARCHIVE_RATIO_MAX: u64 = 50;
/// Bytes that any archive may unpack to, whatever its ratio: small files of zeros are honest. PyPI's number.
pub const ARCHIVE_UNPACKED_BYTES_FREE: u64 = 64 << 20;
/// Bytes that no archive may unpack to: a source distribution is unpacked once to look at it, at about 1 GiB a second.
pub const ARCHIVE_UNPACKED_BYTES_MAX: u64 = 16 << 30;
/// Bytes of one METADATA or PKG-INFO file. It is held in memory while it is read; descriptions with embedded pictures reach
/// a few MiB, and nothing honest comes near this.
pub const METADATA_BYTES_MAX: usize = 16 << 20;
/// Bytes of a wheel's RECORD, held in memory while it is compared: room for the most entries with long paths.
pub const RECORD_BYTES_MAX: usize = 32 << 20;
/// Bytes of the headers before one member of a tar archive. They are held in memory, and compress to nothing.
pub const TAR_HEADER_BYTES_MAX: u64 = 1 << 20;
/// Symbolic links in a source distribution. Their paths are held in memory while it is inspected.
pub const TAR_LINKS_MAX: usize = 10_000;
/// Bytes of a zip archive's directory, held in memory while it is inspected: room for the most entries with long paths.
pub const ZIP_DIRECTORY_BYTES_MAX: u64 = 64 << 20;

// Documentation and test results

/// Files and folders of a documentation archive. The largest API references have some ten thousand.
pub const DOCS_ENTRIES_MAX: usize = 50_000;
/// Bytes that one file of a documentation archive is counted as in memory, beside its path.
pub const DOCS_ENTRY_BYTES: usize = 96;
/// Bytes of directories of documentation archives that are kept in memory, so that a page's fifty pictures and scripts are
/// found without reading the directory fifty times.
pub const DOCS_KEPT_BYTES: u64 = 32 << 20;
/// How long a browser may show a page of documentation without asking again: documentation can be replaced. devpi's minute.
pub const DOCS_MAX_AGE: Duration = Duration::from_secs(60);
/// Bytes of one test result. The output of a large test suite is some MiB.
pub const RESULT_BYTES_MAX: u64 = 16 << 20;
/// Test results of one file. Whoever may read a public index may attach some, unless `acl_toxresult_upload` says otherwise, and
/// must not be able to fill the disk.
pub const RESULTS_MAX: i64 = 200;

// What pages show of a release

/// Bytes of a description that are rendered; what is beyond is cut. The largest real ones, with all changes of a decade, have about
/// this many.
pub const DESCRIPTION_BYTES_MAX: usize = 512 * 1024;
/// Elements of a description inside one another. Deeper ones are left out, their text is not.
pub const DESCRIPTION_DEPTH_MAX: usize = 64;
/// Bytes of the HTML of a description. A few words of markup can stand for a wide table.
pub const DESCRIPTION_HTML_BYTES_MAX: usize = 2 * MIB;
/// Quotes and lists of a description inside one another. Markdown's parser takes quadratic time for them.
pub const DESCRIPTION_QUOTES_MAX: usize = 32;
/// Characters that must be escaped in a description's text between two tags of its HTML, and a piece more; then the text is divided. The
/// sanitizer takes time that grows with their number and the length of the text.
pub const DESCRIPTION_RUN_ESCAPES_MAX: usize = 1024;
/// Bytes of one tag in a description, twice this at the worst: the tokenizer compares each attribute with all before it.
pub const DESCRIPTION_TAG_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a word in a description. If one is longer, bare addresses do not become links: looking for them would take long.
pub const DESCRIPTION_WORD_BYTES_MAX: usize = 8 * 1024;
/// Dependencies that a page shows. The largest real metadata, with all its extras, has some hundreds.
pub const DEPENDENCIES_SHOWN_MAX: usize = 1000;
/// Bytes of one `Requires-Dist`. Longer ones are shown as text, and cut.
pub const DEPENDENCY_BYTES_MAX: usize = 2000;
/// Bytes of one address among a project's links. What is longer than browsers take is no link, and shown cut.
pub const PROJECT_LINK_BYTES_MAX: usize = 2000;
/// Links of a project that a page shows; real projects have about ten.
pub const PROJECT_LINKS_SHOWN_MAX: usize = 100;

// Pictures in descriptions

/// Bytes of one picture. Screenshots and animations stay below; it is held in memory.
pub const IMAGE_BYTES_MAX: usize = 5 * MIB;
/// Bytes that a picture in memory is counted as beside its own.
pub const IMAGE_ENTRY_BYTES: usize = 256;
/// How long it is remembered that there was no picture at an address.
pub const IMAGE_FAILURE_KEPT_FOR: Duration = Duration::from_secs(600);
/// Pictures that are fetched at once: each may take its whole size in memory.
pub const IMAGE_FETCHES_AT_ONCE: usize = 4;
/// How long a picture is kept in memory, and shown by browsers without asking again. Badges change within hours.
pub const IMAGE_KEPT_FOR: Duration = Duration::from_secs(3600);
/// How long a picture may take from the question to its last byte.
pub const IMAGE_WAIT: Duration = Duration::from_secs(10);
/// Bytes of pictures in memory.
pub const IMAGES_KEPT_BYTES: u64 = 32 << 20;

// Blobs and the spool

/// Bytes read from a blob at once. Measured: 256 KiB costs a fifth of the processor time of 8 KiB, more gains nothing.
pub const BLOB_READ_BYTES: usize = 256 * 1024;
/// Pieces of that size that are kept for the next one who reads.
pub const SPARE_PIECES_MAX: usize = 16;
/// Bytes of the file that says whose a store of blobs is: an id has 32 or 36.
pub const STORE_OWNER_BYTES_MAX: u64 = 200;
/// How often the store of files is tried for those who ask `/ready`, however many and often they ask.
pub const STORE_TRY_EVERY: Duration = Duration::from_secs(10);
/// How long they wait for its answer.
pub const STORE_TRY_WAIT: Duration = Duration::from_secs(3);
/// Bytes collected before they are hashed and written: one hop to the blocking pool for each, so not too few.
pub const SPOOL_BUFFER_BYTES: usize = 256 * 1024;

// Object stores

/// How long a connection to an object store may take to stand.
pub const OBJECT_CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The longest silence of an object store, and the time in which it must have received one part: 8 MiB over a line of 3 Mbit/s.
pub const OBJECT_IDLE_WAIT: Duration = Duration::from_secs(30);
/// Bytes of the smallest file for which `--blob-delivery auto` sends a client to the object store: for less, the second
/// connection costs more than it saves.
pub const OBJECT_LINK_BYTES_MIN: u64 = 16 << 20;
/// How long a link to an object can be used. It is used at once, but clocks differ.
pub const OBJECT_LINK_LIFETIME: Duration = Duration::from_secs(300);
/// Bytes of one part of a file that is sent in parts. S3 wants at least 5 MiB, some look-alikes parts of the same size.
pub const OBJECT_PART_BYTES: u64 = 8 << 20;
/// Parts of one file under way at once; each is in memory.
pub const OBJECT_PARTS_AT_ONCE: usize = 2;
/// Parts of one file, S3's number; the parts of a file that would need more are larger.
pub const OBJECT_PARTS_MAX: u64 = 10_000;
/// Bytes of a file that is sent as a whole: one request instead of three.
pub const OBJECT_PUT_BYTES_MAX: u64 = 10 << 20;
/// How often one read of an object is resumed from about the same place, beside the requests that are repeated.
pub const OBJECT_RESUMES_MAX: usize = 2;
/// Bytes that must come before a read of an object that breaks again counts as one that breaks for the first time: a download of
/// hours may lose its connection many times, and must not be resumed for ever byte by byte.
pub const OBJECT_RESUMED_BYTES_MIN: u64 = 1 << 20;
/// How often a request that failed is repeated.
pub const OBJECT_RETRIES_MAX: usize = 4;
/// The pause before a request is repeated for the first time; each further one is about twice as long.
pub const OBJECT_RETRY_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause before a request is repeated.
pub const OBJECT_RETRY_PAUSE_MAX: Duration = Duration::from_secs(3);
/// How long after its first try a request may be repeated.
pub const OBJECT_RETRY_TIME: Duration = Duration::from_secs(30);
/// Bytes of an object that are held in memory while an archive in it is looked through. It begins with `BLOB_READ_BYTES`.
pub const OBJECT_WINDOW_BYTES_MAX: u64 = 4 << 20;

// Connections

/// How long the server waits before it accepts again after the system refused it a connection: for lack of file handles or
/// memory, which a busy loop would only make worse.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// Connections open at once; for one more the one that has waited longest for a request has to go, and if all have one under way it
/// waits. Fewer where the system allows too few file handles.
pub const CONNECTIONS_MAX: usize = 2048;
/// How long a connection has to go that was chosen to make room; then another one has to.
pub const ROOM_RETRY: Duration = Duration::from_millis(100);
/// As many there are, however few file handles are allowed.
pub const CONNECTIONS_MIN: usize = 8;
/// Bytes of a request's body that are read and thrown away after it has been answered, so that a client that sends everything
/// before it reads still sees why its upload was refused. Beyond that it sees a broken connection.
pub const DISCARD_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// How long such a body may go without a byte: a client that has read the answer may send nothing more.
pub const DISCARD_SILENCE_MAX: Duration = Duration::from_secs(5);
/// How long such a body is read in all.
pub const DISCARD_TIME_MAX: Duration = Duration::from_secs(60);
/// How long running requests may go on after the first signal to stop. Kubernetes grants as much by default.
pub const DRAIN_TIME_MAX: Duration = Duration::from_secs(30);
/// File handles that are counted for a connection: its own, the file that it gets or sends, and one to an upstream or a bucket.
pub const HANDLES_PER_CONNECTION: u64 = 3;
/// File handles that no connection gets: for the database, the log and what the server does by itself.
pub const HANDLES_RESERVED: u64 = 128;
/// Bytes of a request's line and headers; more is answered 431. Tokens and cookies fit many times over.
pub const HEAD_BYTES_MAX: usize = 32 * 1024;
/// How long a request's line and headers may take, from the first byte; on a new connection, from its opening.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How long `cheeseshop healthcheck` waits for each step of an answer.
pub const HEALTHCHECK_WAIT: Duration = Duration::from_secs(5);
/// How many requests of one HTTP/2 connection may be given up before their answer begins. If they are more than half of its
/// requests too, the connection is ended: so floods of requests look that are reset at once.
pub const HTTP2_GIVEN_UP_MAX: u64 = 100;
/// How long an HTTP/2 client that was told to go, and has no request under way, may stay.
pub const HTTP2_GOODBYE_MAX: Duration = Duration::from_secs(2);
/// Bytes of an answer that are handed on at once over HTTP/2: a client that takes less in `WRITE_STALL_MAX` counts as one that
/// takes nothing.
pub const HTTP2_PIECE_BYTES: usize = 16 * 1024;
/// Requests under way at once on one HTTP/2 connection. All such connections together have as many as `CONNECTIONS_MAX` says.
pub const HTTP2_STREAMS_MAX: u32 = 100;
/// Bytes of request bodies that an HTTP/2 client may send on one connection before they are wanted.
pub const HTTP2_WINDOW_BYTES: u32 = 1024 * 1024;
/// How long a connection stays open between requests. Longer than the 60 seconds for which proxies commonly keep theirs, so
/// that the proxy closes first and never writes into a closed connection.
pub const IDLE_TIME_MAX: Duration = Duration::from_secs(75);
/// Bytes of a request's JSON body, which is held in memory. The largest are lists of users or projects in an index's options.
pub const JSON_BODY_BYTES_MAX: usize = MIB;
/// Bytes of a URL's path as it is sent. The longest of our own, with every character escaped, has about 2,000.
pub const PATH_BYTES_MAX: usize = 4096;
/// How long a client may send nothing while its request's body is wanted.
pub const READ_STALL_MAX: Duration = Duration::from_secs(60);
/// Bytes of a request's name that a trusted proxy gave: a UUID has 36.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// How long changes under way and the database may take to end after the last request.
pub const STOP_TIME_MAX: Duration = Duration::from_secs(10);
/// How often the files of `--tls-cert` and `--tls-key` are looked at.
pub const TLS_LOOK_EVERY: Duration = Duration::from_secs(5);
/// A rest of a request's body up to this many bytes is read after an early answer without announcing the end of the connection.
pub const UNREAD_BYTES_KEPT: u64 = 64 * 1024;
/// How long a client may take nothing of an answer that is being written.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(60);

// Housekeeping

/// Different files whose downloads are counted between two writes; about 200 bytes each. Downloads of more are not counted.
pub const DOWNLOADS_COUNTED_MAX: usize = 100_000;
/// How often the counts of downloads are written. A node that is killed loses those since.
pub const DOWNLOADS_FLUSH: Duration = Duration::from_secs(60);
/// Rows of one kind that `gc` changes in one transaction, and rows that `gc` and `doctor` read at once.
pub const GC_BATCH: i64 = 500;
/// How often `gc` runs by itself, unless `--gc-every` says otherwise.
pub const GC_EVERY: Duration = Duration::from_secs(24 * 3600);
/// How long nobody may have used a blob before `gc` marks it, and how long it stays marked before its bytes go, unless
/// `--gc-grace` says otherwise: far longer than an upload takes from its last byte to its rows.
pub const GC_GRACE: Duration = Duration::from_secs(24 * 3600);
/// How long a job belongs to the node that does it, unless that node renews it: it may have been killed.
pub const JOB_LEASE: Duration = Duration::from_secs(300);
/// How often a node looks whether a job is due.
pub const JOB_POLL: Duration = Duration::from_secs(60);
/// How long a job that failed rests before it is tried again.
pub const JOB_RETRY: Duration = Duration::from_secs(600);

// File names and versions

/// Bytes of a distribution's file name: what common file systems hold.
pub const FILENAME_BYTES_MAX: usize = 255;
/// Projects that a file name is taken for. Each guess may cost one question to an upstream, and anybody may ask for any name.
pub const FILENAME_GUESSES_MAX: usize = 4;
/// Bytes of the reason why something is yanked: it stands on every page of the project.
pub const YANK_REASON_BYTES_MAX: usize = 1000;
/// Bytes of a version, as it is written and in its normal form. It must fit into a file name beside the project's name and the tags.
pub const VERSION_BYTES_MAX: usize = 200;

// Moving house

/// Blobs that are copied at once into or out of an export or a backup.
pub const BLOBS_CARRIED_AT_ONCE: usize = 4;
/// Blobs that an export or a backup leaves out and names because the store has lost them; beyond that it is the wrong store.
pub const BLOBS_LOST_MAX: usize = 1000;
/// Items of a dump that are read ahead. Each may be all versions of one project, so not many.
pub const DUMP_ITEMS_AHEAD: usize = 4;
/// Bytes of a dump's index that are read at once.
pub const DUMP_READ_BYTES: usize = 256 * 1024;
/// Bytes of rows, as an export has them, that are written to the database in one statement: rows of mirrors can have many.
pub const HOUSE_BATCH_BYTES: usize = MIB;
/// Bytes of one row in an export. The largest is a mirror's list of all projects, packed.
pub const HOUSE_ROW_BYTES_MAX: u64 = 256 << 20;
/// Files of a dump that are read, hashed and looked into at once: disks wait for one another, and so do processors.
pub const IMPORT_FILES_AT_ONCE: usize = 4;
/// Files or releases that an import writes in one transaction. Other writers wait meanwhile, and an interrupted run repeats no
/// more than these.
pub const IMPORT_ROWS_AT_ONCE: usize = 100;
/// Bytes of an export's manifest: it names some dozen tables.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 20;

// Several nodes

/// How long a change's answer waits until the other live nodes have seen the change.
pub const ACKNOWLEDGE_WAIT: Duration = Duration::from_secs(2);
/// How often it is looked up meanwhile how far they are, should nobody have announced it.
pub const ACKNOWLEDGE_POLL: Duration = Duration::from_millis(100);
/// How old the last look at the journal may be before what is in memory counts as out of date.
pub const CUT_OFF_AFTER: Duration = Duration::from_secs(5);
/// How long a request waits for a node that is cut off to look at the journal again.
pub const CUT_OFF_LOOK_WAIT: Duration = Duration::from_secs(1);
/// How long after such a look has failed requests are answered without another one.
pub const CUT_OFF_PAUSE: Duration = Duration::from_secs(1);
/// When a client that was refused because of it is told to come back.
pub const CUT_OFF_RETRY: Duration = Duration::from_secs(2);
/// How long the connection that listens for announcements may take to stand, and to answer when it is asked whether it lives.
pub const LISTENER_CONNECT_WAIT: Duration = Duration::from_secs(5);
/// How long after it was lost it is opened again. The poll goes on meanwhile.
pub const LISTENER_PAUSE: Duration = Duration::from_millis(500);
/// How long it may be silent before it is asked whether it lives: a firewall that has forgotten a connection says nothing.
pub const LISTENER_SILENCE_MAX: Duration = Duration::from_secs(20);
/// How far the clocks of two nodes may be apart. A row that was older when it was first seen is a dead node's until it moves.
pub const NODE_CLOCKS_APART: Duration = Duration::from_secs(30);
/// How long the row of a node that does not write is kept.
pub const NODE_KEPT: Duration = Duration::from_secs(3600);
/// How long a node counts as live after it last wrote: three polls.
pub const NODE_LIVE: Duration = Duration::from_secs(6);

// Pages and caches

/// Changes that are noted by name. Beyond it everything counts as changed once, which costs each page one rendering.
pub const CHANGES_NOTED_MAX: usize = 100_000;
/// Rows of the journal that are followed at once.
pub const JOURNAL_BATCH: i64 = 1000;
/// How long a project's JSON waits for the metadata of a mirrored release before it goes without. grayskull gives up after five
/// seconds.
pub const JSON_METADATA_WAIT: Duration = Duration::from_secs(4);
/// How often the journal is looked at for changes that others made, should nobody have announced them.
pub const JOURNAL_POLL: Duration = Duration::from_secs(2);
/// How long one look at the journal may take. Less than `CUT_OFF_AFTER`: a look that hangs must not keep the next one back.
pub const JOURNAL_LOOK_WAIT: Duration = Duration::from_secs(4);
/// Bytes that a file of a listing is counted as in memory: its name, hashes and the rest.
pub const LISTED_FILE_BYTES: usize = 600;
/// Bytes that a listing or page is counted as beside its files or its text.
pub const LISTING_BYTES: usize = 1024;
/// Pages smaller than this are not packed: there is nothing to gain.
pub const PACK_BYTES_MIN: u64 = 256;
/// Bytes of pages in memory, unless `--page-cache` says otherwise.
pub const PAGE_CACHE_BYTES: u64 = 64 << 20;
/// Bytes of lists of projects in memory, packed: beside the pages. The one of the largest public index takes about 25 MB in one form.
pub const PROJECT_LISTS_BYTES: u64 = 64 << 20;
/// How long such a list stays in memory when nobody asks for it.
pub const PROJECT_LISTS_IDLE: Duration = Duration::from_secs(600);
/// Bytes of a list that are rendered, or unpacked for a client that takes it only as it is, at once.
pub const PROJECT_LIST_PIECE_BYTES: usize = 64 * 1024;
/// How far zstd looks back in a list of projects at most, as a power of two: 128 KiB. To pack a list takes some 3 MiB of memory with it.
pub const PROJECT_LIST_WINDOW_LOG_MAX: u32 = 17;
/// gzip's level for pages: they are packed once and sent often.
pub const PAGE_GZIP_LEVEL: u32 = 6;
/// zstd's level for pages.
pub const PAGE_ZSTD_LEVEL: i32 = 6;
/// zstd's level for what the database keeps of upstream's pages: they are packed and unpacked about equally often.
pub const RECORD_COMPRESSION: i32 = 3;

/// Files on one page of another index. The largest real projects have some ten thousand; a page above this is refused rather
/// than cut, because a cut page would look like deleted releases.
pub const PAGE_FILES_MAX: usize = 200_000;
/// Bytes of one tag or comment of another index's HTML page, twice this at the worst. The HTML tokenizer compares each attribute
/// with all before it, so one tag of a few MB would keep a thread busy for minutes. Yank reasons fit many times over.
pub const PAGE_TAG_BYTES_MAX: usize = 32 << 10;

// Search

/// Searches carried out at once; more wait. Each may keep a connection to the database and a core busy for its whole time.
pub const SEARCHES_AT_ONCE: usize = 2;
/// Bytes of a description that are searched, from its beginning. What a project is about stands there; an index of all the rest would
/// be many times as large.
pub const SEARCH_DESCRIPTION_BYTES: usize = 4096;
/// Hits that are looked for in all. Nobody turns so many pages.
pub const SEARCH_HITS_MAX: usize = 500;
/// Hits on one page.
pub const SEARCH_HITS_PAGE: usize = 20;
/// Indexes that a search on SQLite is narrowed to by what stands in the full-text tables. With more, entries are looked at one by one.
pub const SEARCH_INDEX_MARKS_MAX: usize = 200;
/// Entries that are made anew in one transaction: some 3 ms each on SQLite, whose other writers wait meanwhile.
pub const SEARCH_MEND_BATCH: i64 = 20;
/// How often it is looked whether all entries are there and of the last change.
pub const SEARCH_MEND_EVERY: Duration = Duration::from_secs(3600);
/// Bytes of names in memory that mirrored projects and typing errors are looked up in. A public list of 900,000 takes about 25 MB; of one list no more than half of this is read.
pub const SEARCH_NAMES_BYTES: u64 = 64 << 20;
/// How long such names stay in memory when nobody searches.
pub const SEARCH_NAMES_IDLE: Duration = Duration::from_secs(3600);
/// How many times as long as it took to make them such names rest before they are made again: no more than a hundredth of a core's
/// time goes there.
pub const SEARCH_NAMES_REST: u32 = 100;
/// How long it may take to make them if a search is to wait for that.
pub const SEARCH_NAMES_WAIT: Duration = Duration::from_millis(50);
/// Characters of what is searched for.
pub const SEARCH_QUERY_CHARS_MAX: usize = 200;
/// Hits that an XML-RPC client is given, which can ask for no second page. PyPI gave as many.
pub const SEARCH_RPC_HITS: usize = 100;
/// Similar names that are shown where no name fits.
pub const SEARCH_SIMILAR_MAX: usize = 20;
/// Bytes of a summary and of the keywords that are searched and shown.
pub const SEARCH_SUMMARY_BYTES: usize = 1000;
/// How long one question to the database may take during a search. What was found before that is shown.
pub const SEARCH_TIME_MAX: Duration = Duration::from_secs(2);
/// Words of what is searched for.
pub const SEARCH_WORDS_MAX: usize = 8;
/// Bytes of an XML-RPC call, held in memory. A search has some hundred.
pub const XMLRPC_BYTES_MAX: usize = 64 * 1024;
/// Elements within one another in an XML-RPC call. A search has ten.
pub const XMLRPC_DEPTH_MAX: usize = 32;

// Sign-in and tokens

/// Credentials that are remembered as good.
pub const CREDENTIALS_KEPT: u64 = 10_000;
/// How long a good password or token is remembered; a change of any account ends it at once.
pub const CREDENTIALS_KEPT_FOR: Duration = Duration::from_secs(60);
/// Bytes of a devpi token in Base64. A request's headers hold it encoded once more, and some hundred projects fit.
pub const DEVPI_TOKEN_BYTES_MAX: usize = 16 * 1024;
/// How long a devpi token lasts unless its request says otherwise: a leap year and ten seconds to spare, as in devpi-tokens.
pub const DEVPI_TOKEN_LENGTH: Duration = Duration::from_secs(31_622_410);
/// Lanes of a password hash that was made elsewhere.
pub const FOREIGN_HASH_LANES_MAX: u32 = 16;
/// Bytes of addresses that a hash reserves at least; it uses what it needs. Room of more than 32 MiB goes back to the system when a
/// hash is done.
pub const HASH_RESERVED_BYTES: usize = 33 * MIB;
/// KiB of memory for checking a password hash that was made elsewhere. devpi's take 64 MiB, and only one is checked at once.
pub const FOREIGN_HASH_MEMORY_KIB_MAX: u32 = 128 * 1024;
/// Passes of a password hash that was made elsewhere; devpi's have three.
pub const FOREIGN_HASH_PASSES_MAX: u32 = 8;
/// Bytes of a password. Hashing more would only let strangers keep the processor busy.
pub const PASSWORD_BYTES_MAX: usize = 4096;
/// Passwords checked at once: each takes 19 MiB and a core for some 20 ms.
pub const PASSWORD_CHECKS_AT_ONCE: usize = 2;
/// How long a sign-in at `+login` lasts (devpi's ten hours).
pub const SESSION_LENGTH: Duration = Duration::from_secs(10 * 3600);
/// Addresses, and users, whose failed sign-ins are counted.
pub const SIGN_IN_ADDRESSES_KEPT: u64 = 20_000;
/// Wrong passwords that an address may send in one window; many people may come from one.
pub const SIGN_IN_FAILURES_PER_ADDRESS: u32 = 300;
/// Wrong passwords that may be sent for one user in one window, wherever from. Where the user signed in lately it does not count.
pub const SIGN_IN_FAILURES_PER_USER: u32 = 20;
/// How long it is remembered where a user signed in.
pub const SIGN_IN_KNOWN_FOR: Duration = Duration::from_secs(30 * 24 * 3600);
/// Characters of a user's name by which failed sign-ins are counted.
pub const SIGN_IN_NAME_CHARS_KEPT: usize = 64;
/// The window in which wrong passwords are counted.
pub const SIGN_IN_WINDOW: Duration = Duration::from_secs(15 * 60);
/// How often expired sessions are forgotten. They are refused anyway; this only frees their rows.
pub const SESSION_PRUNING: Duration = Duration::from_secs(3600);
/// Bytes of a token's name.
pub const TOKEN_NAME_BYTES_MAX: usize = 100;
/// Bytes of a declared token's secret after its prefix: nobody guesses 32 random characters.
pub const TOKEN_SECRET_BYTES_MIN: usize = 32;
// Upstream

/// How long one run of `pip` may take while `--upstream auto` looks for an index. A cold interpreter on a slow disk needs seconds.
pub const UPSTREAM_DISCOVERY_PROGRAM_WAIT: Duration = Duration::from_secs(10);
/// How long a connection to another server may take to stand, its name look-up and TLS included.
pub const UPSTREAM_CONNECT_WAIT: Duration = Duration::from_secs(5);
/// The longest silence of another server before its answer and between two pieces of it. Caching proxies are slow to begin.
pub const UPSTREAM_IDLE_WAIT: Duration = Duration::from_secs(20);
/// Bytes of a project list. The largest public one is some tens of MiB.
pub const UPSTREAM_LIST_BYTES_MAX: usize = 256 * MIB;
/// How long a project list may take from the question to its last byte.
pub const UPSTREAM_LIST_WAIT: Duration = Duration::from_secs(120);
/// Bytes of one `METADATA` taken from another server. Descriptions with whole change logs stay far below.
pub const UPSTREAM_METADATA_BYTES_MAX: usize = 4 * MIB;
/// How long it may take to get one `METADATA`, all range requests together.
pub const UPSTREAM_METADATA_WAIT: Duration = Duration::from_secs(30);
/// Bytes of one project page after decompression. A page of 20,000 files is 8 MiB; this bounds what a gzip bomb can cost.
pub const UPSTREAM_PAGE_BYTES_MAX: usize = 64 * MIB;
/// How long a project page may take from the question to its last byte.
pub const UPSTREAM_PAGE_WAIT: Duration = Duration::from_secs(30);
/// How long another server may take to receive and answer an upload: a file of a GiB over a slow line, and its checks.
pub const UPSTREAM_POST_WAIT: Duration = Duration::from_secs(1800);
/// Bytes of another server's answer to an upload that are passed on: it says why in the first lines, if at all.
pub const UPSTREAM_REFUSAL_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a wheel read by range requests before giving up. The archive directory of a wheel with 10,000 members is about 1 MiB.
pub const UPSTREAM_RANGE_BYTES_MAX: u64 = 4 * MIB as u64;
/// Range requests for one wheel. A well-made wheel needs one, two or three.
pub const UPSTREAM_RANGE_REQUESTS_MAX: usize = 8;
/// Redirects followed for one request. Real indexes use one or two.
pub const UPSTREAM_REDIRECTS_MAX: usize = 8;
/// Bytes read from the end of a wheel first: the archive directory and, in most wheels, `METADATA` itself.
pub const UPSTREAM_WHEEL_TAIL_BYTES: u64 = 64 * 1024;

// Upload forms

/// Fields of an upload form. Each classifier and each requirement is one; the largest projects have some hundreds.
pub const FORM_FIELDS_MAX: usize = 20_000;
/// Bytes of an upload form beside its file. The description is the largest part.
pub const FORM_TEXT_BYTES_MAX: u64 = 32 << 20;
/// Bytes of a file, unless `--max-file-size` says otherwise.
pub const FILE_BYTES_MAX: u64 = 4 << 30;

// Database

/// How long a request waits for a free database connection before it is told to come back.
pub const DATABASE_WAIT: Duration = Duration::from_secs(10);
/// Connections to PostgreSQL a node holds at most.
pub const POSTGRES_CONNECTIONS: u32 = 10;
/// How long PostgreSQL lets a transaction that changes something do nothing: after that its node has stopped or is cut off, and what it
/// locks is wanted by all others.
pub const POSTGRES_IDLE_TRANSACTION_MAX: Duration = Duration::from_secs(30);
/// How long a change waits for a lock that another one holds, before its client is told to come back.
pub const POSTGRES_LOCK_WAIT: Duration = Duration::from_secs(10);
/// How long a SQLite statement waits for another process's write, such as a command on the command line.
pub const SQLITE_BUSY_WAIT: Duration = Duration::from_secs(5);
/// Pages that are given back to the file system in one transaction after housekeeping, so that other writers do not wait long.
pub const SQLITE_PAGES_AT_ONCE: u32 = 1000;
/// Reading connections to SQLite.
pub const SQLITE_READERS: u32 = 4;
/// Rows that SQLite's thread may be ahead of whoever takes them: with few of them the two wait for each other at every one.
pub const SQLITE_ROWS_AHEAD: usize = 1024;
/// Uploads that share one commit of SQLite, at most.
pub const SQLITE_TOGETHER_MAX: usize = 64;

// Mirrors

/// Bytes that are handed out at once of a file that comes from upstream, unless it pauses: fewer cost as much.
pub const FETCH_PIECE_BYTES_MIN: usize = 4096;
/// How long fewer are held back at most, should upstream send a file in crumbs.
pub const FETCH_PIECE_WAIT: Duration = Duration::from_millis(2);
/// Seconds after which a mirror asks upstream for a page again, unless the index says otherwise (devpi's default).
pub const MIRROR_CACHE_EXPIRY: Duration = Duration::from_secs(1800);
/// How often a page is asked for in one go, should other nodes change its record each time meanwhile.
pub const MIRROR_REFRESH_TRIES: usize = 5;
/// How often anybody can make a mirror ask for a page although it is not time: once in so long.
pub const MIRROR_REFRESH_PAUSE: Duration = Duration::from_secs(1);
/// How long an upstream that failed is left alone: its clients are answered from what is kept, or told at once.
pub const MIRROR_REST_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Projects of which it is remembered in memory that upstream does not have them, or did not answer.
pub const OUTCOMES_KEPT: u64 = 20_000;

// Web pages

/// Bytes of rendered descriptions in memory.
pub const WEB_DESCRIPTIONS_BYTES: u64 = 8 << 20;
/// Files of a release on one page.
pub const WEB_FILES_SHOWN: usize = 40;
/// Bytes of a form.
pub const WEB_FORM_BYTES_MAX: usize = 256 * 1024;
/// Characters of the note that one page leaves for the next.
pub const WEB_NOTE_CHARS_MAX: usize = 300;
/// How long that note waits for the next page.
pub const WEB_NOTE_KEPT: Duration = Duration::from_secs(60);
/// Projects on one page of an index.
pub const WEB_PROJECTS_PER_PAGE: i64 = 100;
/// How long a form waits for another server that it asks something; the question goes on.
pub const WEB_ASK_WAIT: Duration = Duration::from_secs(3);
/// Free bytes, where files come in, below which the status page warns: a large file does not fit.
pub const WEB_ROOM_BYTES_LOW: u64 = 2 << 30;
/// Boxes that a form offers to be ticked; where there would be more, names are typed.
pub const WEB_CHOICES_MAX: usize = 200;
/// Mirrors that may be asked for a name that no search finds.
pub const WEB_MIRRORS_OFFERED: usize = 5;
/// Releases, the newest, that a form offers to choose from.
pub const WEB_RELEASES_OFFERED: usize = 500;
/// Tokens on one page of their list.
pub const WEB_TOKENS_PER_PAGE: usize = 100;
/// Users on one page of their list.
pub const WEB_USERS_PER_PAGE: i64 = 100;
/// How long a count of what the server holds is used at least; otherwise a hundred times as long as it took.
pub const FIGURES_KEPT: Duration = Duration::from_secs(10);
/// How long a page waits for the first such count of a server that has just started.
pub const FIGURES_FIRST_WAIT: Duration = Duration::from_millis(100);
/// How long a page waits for such a count if there is an older one to show.
pub const FIGURES_WAIT: Duration = Duration::from_millis(5);
/// Changes on one page of the journal.
pub const WEB_ACTIVITY_PER_PAGE: usize = 60;
/// Changes that fit, of which those are shown that somebody may see.
pub const WEB_ACTIVITY_LOOKED_AT: i64 = 600;
/// Serials of the journal that one page looks through for what fits.
pub const WEB_ACTIVITY_SERIALS: i64 = 10_000;
/// Changes shown on the first page.
pub const WEB_NEWS: usize = 12;
/// Changes looked through for those that somebody may see.
pub const WEB_NEWS_LOOKED_AT: i64 = 400;
/// Releases shown on a project's page; older ones are on a page of their own.
pub const WEB_RELEASES_SHOWN: usize = 60;
/// How long a browser's sign-in lasts.
pub const WEB_SESSION_LENGTH: Duration = Duration::from_secs(12 * 3600);
