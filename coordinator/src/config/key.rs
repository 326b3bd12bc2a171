//! The table of all settings.

use std::fmt;

/// What the binary is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// A service with everything in one process.
    Serve,
    /// The service of a cluster.
    Coordinator,
    /// A node that holds tiles.
    Worker,
    /// One query, to stdout.
    Query,
    /// What one query would touch, to stdout.
    Explain,
    /// A table from files.
    Import,
    /// Whether tables are as they should be, to stdout.
    Check,
    /// Certificates for the nodes of a cluster.
    Certificates,
}

impl Command {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Serve,
        Self::Coordinator,
        Self::Worker,
        Self::Query,
        Self::Explain,
        Self::Import,
        Self::Check,
        Self::Certificates,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Coordinator => "coordinator",
            Self::Worker => "worker",
            Self::Query => "query",
            Self::Explain => "explain",
            Self::Import => "import",
            Self::Check => "check",
            Self::Certificates => "certificates",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name in TOML, from which the environment variable follows.
    pub name: &'static str,
    /// Its flag without the dashes: the name with `-` for `_`.
    pub flag: &'static str,
    /// What its value is, in one word; empty for a flag that takes none.
    pub value: &'static str,
    /// The value where none is given; empty for none.
    pub default: &'static str,
    /// Other defaults for some commands.
    pub defaults: &'static [(Command, &'static str)],
    /// What it means.
    pub help: &'static str,
    /// What a value must be, for the message about one that is not.
    pub wanted: &'static str,
    /// The commands that it counts for. A file may hold keys for others.
    pub commands: &'static [Command],
}

use Command::{Certificates, Check, Coordinator, Explain, Import, Query, Serve, Worker};

const URLS: &str = "a list of URLs as http://127.0.0.1:9001,http://127.0.0.1:9002";
const HOSTS: &str = "a list of hosts as w1.example.org,10.0.0.2";
const ADDRESS: &str = "an address with a port, as 127.0.0.1:8080";
const ROWS: &str = "a number of rows, as 1000000 or 1e6";
const SIZE: &str = "a size, as 8GiB, 512MiB or a number of bytes";
const DURATION: &str = "a length of time, as 90s, 15min, 12h or 7d";

/// Every setting.
pub const KEYS: &[Key] = &[
    Key {
        name: "data",
        flag: "data",
        value: "DIR",
        default: "",
        defaults: &[(Serve, "armilla-data")],
        help: "folder with the tables, DIR/<schema>/<table> or DIR/<table>, or the folder or URL \
               of one HATS table or collection; for a worker, its own folder; serve makes a demo \
               sky in a folder that holds nothing",
        wanted: "a folder or URL",
        commands: &[Serve, Coordinator, Worker, Query, Explain, Check],
    },
    Key {
        name: "demo_rows",
        flag: "demo-rows",
        value: "ROWS",
        default: "1e6",
        defaults: &[],
        help: "objects of the demo sky that is made where the data folder holds nothing; 0 makes \
               none",
        wanted: ROWS,
        commands: &[Serve],
    },
    Key {
        name: "listen",
        flag: "listen",
        value: "ADDRESS",
        default: "127.0.0.1:8080",
        defaults: &[(Worker, "127.0.0.1:9001")],
        help: "address and port to listen on; port 0 takes a free one",
        wanted: ADDRESS,
        commands: &[Serve, Coordinator, Worker],
    },
    Key {
        name: "workers",
        flag: "workers",
        value: "URLS",
        default: "",
        defaults: &[],
        help: "all workers of the cluster, separated by commas",
        wanted: URLS,
        commands: &[Coordinator],
    },
    Key {
        name: "replicas",
        flag: "replicas",
        value: "COUNT",
        default: "2",
        defaults: &[],
        help: "how many workers hold each tile; with 2, any one of them may be lost",
        wanted: "a number of workers greater than 0",
        commands: &[Coordinator],
    },
    Key {
        name: "small_table",
        flag: "small-table",
        value: "BYTES",
        default: "1GiB",
        defaults: &[],
        help: "a table below this size is on every worker; 0: none is",
        wanted: "a size, as 1GiB, or 0",
        commands: &[Coordinator],
    },
    Key {
        name: "query_duration",
        flag: "query-duration",
        value: "TIME",
        default: "1h",
        defaults: &[],
        help: "how long a query of /sync may take until its last row is read; jobs have \
               --execution-duration",
        wanted: DURATION,
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "origin",
        flag: "origin",
        value: "DIR",
        default: "",
        defaults: &[],
        help: "folder or URL from which the worker copies the tiles that it is to hold",
        wanted: "a folder or URL",
        commands: &[Worker],
    },
    Key {
        name: "fallback",
        flag: "fallback",
        value: "BOOL",
        default: "true",
        defaults: &[],
        help: "whether a tile that is missing or damaged in the worker's own folder, or whose holders \
               are lost, is read from another worker that holds it, or else from the origin",
        wanted: "true or false",
        commands: &[Worker],
    },
    Key {
        name: "metrics",
        flag: "metrics",
        value: "ADDRESS",
        default: "",
        defaults: &[],
        help: "address for the worker's metrics over HTTP; without it, none (serve and coordinator \
               have them at /metrics)",
        wanted: ADDRESS,
        commands: &[Worker],
    },
    Key {
        name: "prune",
        flag: "prune",
        value: "BOOL",
        default: "true",
        defaults: &[],
        help: "whether tiles, row groups and pages that cannot hold rows of an answer are left \
               out; false reads everything, to compare answers",
        wanted: "true or false",
        commands: &[Serve, Coordinator, Query, Explain],
    },
    Key {
        name: "memory",
        flag: "memory",
        value: "BYTES",
        default: "",
        defaults: &[],
        help: "memory for all queries together, or for an import or the ids of a check, as 8GiB; \
               beyond it they spill to disk; without it, a share of what the machine has: half, an \
               import or a check a quarter",
        wanted: SIZE,
        commands: &[Serve, Coordinator, Worker, Query, Explain, Import, Check],
    },
    Key {
        name: "query_memory",
        flag: "query-memory",
        value: "BYTES",
        default: "",
        defaults: &[],
        help: "memory for one query on one node, at least 4MiB for each core; without it, half of memory",
        wanted: SIZE,
        commands: &[Serve, Coordinator, Worker, Query, Explain],
    },
    Key {
        name: "spill",
        flag: "spill",
        value: "DIR",
        default: "",
        defaults: &[],
        help: "folder for what does not fit into memory; without it, .armilla/spill in the folder \
               of a worker, and otherwise the folder for temporary files of the system",
        wanted: "a folder",
        commands: &[Serve, Coordinator, Worker, Query, Explain, Check],
    },
    Key {
        name: "spill_bytes",
        flag: "spill-bytes",
        value: "BYTES",
        default: "100GiB",
        defaults: &[],
        help: "size of what all queries together may keep in the spill folder",
        wanted: SIZE,
        commands: &[Serve, Coordinator, Worker, Query, Explain],
    },
    Key {
        name: "default_rows",
        flag: "default-rows",
        value: "ROWS",
        default: "1e9",
        defaults: &[],
        help: "rows of an answer when the client gives no MAXREC",
        wanted: ROWS,
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "max_rows",
        flag: "max-rows",
        value: "ROWS",
        default: "1e9",
        defaults: &[],
        help: "rows of an answer beyond which no MAXREC reaches",
        wanted: ROWS,
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "state",
        flag: "state",
        value: "DIR",
        default: "armilla-state",
        defaults: &[],
        help: "folder for jobs and their results; no two processes may share one",
        wanted: "a folder",
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "async_jobs",
        flag: "async-jobs",
        value: "COUNT",
        default: "",
        defaults: &[],
        help: "jobs that run at once, others wait; without it, as many as there are cores",
        wanted: "a number of jobs greater than 0",
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "execution_duration",
        flag: "execution-duration",
        value: "TIME",
        default: "1d",
        defaults: &[],
        help: "how long a job may run when its owner does not say",
        wanted: DURATION,
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "max_execution_duration",
        flag: "max-execution-duration",
        value: "TIME",
        default: "7d",
        defaults: &[],
        help: "how long a job may run at most",
        wanted: DURATION,
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "retention_period",
        flag: "retention-period",
        value: "TIME",
        default: "7d",
        defaults: &[],
        help: "how long a job and its result are kept when its owner does not say",
        wanted: DURATION,
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "max_retention_period",
        flag: "max-retention-period",
        value: "TIME",
        default: "90d",
        defaults: &[],
        help: "how long a job and its result are kept at most",
        wanted: DURATION,
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "results_bytes",
        flag: "results-bytes",
        value: "BYTES",
        default: "100GiB",
        defaults: &[],
        help: "size of the results of all jobs together",
        wanted: SIZE,
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "part_bytes",
        flag: "part-bytes",
        value: "BYTES",
        default: "16GiB",
        defaults: &[],
        help: "size of the tiles that each worker reads for one part of a job; a job that is cut \
               short goes on after its last finished part",
        wanted: SIZE,
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "list_jobs",
        flag: "list-jobs",
        value: "BOOL",
        default: "false",
        defaults: &[],
        help: "whether the list of jobs shows everybody the jobs of all; without it the list is \
               empty, and only who made a job knows its name",
        wanted: "true or false",
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "public_url",
        flag: "public-url",
        value: "URL",
        default: "",
        defaults: &[],
        help: "URL under which clients see the service, as https://tap.example.org/tap; without \
               it, the host that each request names",
        wanted: "a URL, as https://tap.example.org/tap",
        commands: &[Serve, Coordinator],
    },
    Key {
        name: "format",
        flag: "format",
        value: "FORMAT",
        default: "text",
        defaults: &[],
        help: "how rows are written: text, csv, tsv, parquet, votable (BINARY2), votable/td or \
               votable/b",
        wanted: "a format: text, csv, tsv, parquet, votable, votable/td or votable/b",
        commands: &[Query],
    },
    Key {
        name: "maxrec",
        flag: "maxrec",
        value: "ROWS",
        default: "",
        defaults: &[],
        help: "at most so many rows; without it, all",
        wanted: ROWS,
        commands: &[Query],
    },
    Key {
        name: "analyze",
        flag: "analyze",
        value: "",
        default: "false",
        defaults: &[],
        help: "run the query and count the work",
        wanted: "true or false",
        commands: &[Explain],
    },
    Key {
        name: "input",
        flag: "input",
        value: "PATHS",
        default: "",
        defaults: &[],
        help: "files and folders of one table, separated by commas, in place of those after the \
               command; CSV, VOTable, FITS and Parquet, plain or packed by gzip or zstd, and \
               the folders of HATS tables",
        wanted: "files and folders",
        commands: &[Import],
    },
    Key {
        name: "out",
        flag: "out",
        value: "DIR",
        default: "",
        defaults: &[],
        help: "folder DIR/SCHEMA/TABLE that becomes the table; it must not exist",
        wanted: "a folder, as /sky/gaia/dr3",
        commands: &[Import],
    },
    Key {
        name: "ra",
        flag: "ra",
        value: "COLUMN",
        default: "",
        defaults: &[],
        help: "column of the right ascension; without it, the one whose UCD or name says so",
        wanted: "the name of a column",
        commands: &[Import],
    },
    Key {
        name: "dec",
        flag: "dec",
        value: "COLUMN",
        default: "",
        defaults: &[],
        help: "column of the declination",
        wanted: "the name of a column",
        commands: &[Import],
    },
    Key {
        name: "position_unit",
        flag: "position-unit",
        value: "UNIT",
        default: "",
        defaults: &[],
        help: "how the position is written: degrees, radians, hours (of right ascension) or \
               sexagesimal (texts); without it, as type and unit of the columns say",
        wanted: "degrees, radians, hours or sexagesimal",
        commands: &[Import],
    },
    Key {
        name: "no_position",
        flag: "no-position",
        value: "",
        default: "false",
        defaults: &[],
        help: "the rows have no place on the sky: every worker holds the table whole",
        wanted: "true or false",
        commands: &[Import],
    },
    Key {
        name: "parent",
        flag: "parent",
        value: "TABLE",
        default: "",
        defaults: &[],
        help: "table in the same folder, as SCHEMA.TABLE, by whose positions the rows are \
               tiled, so that a join with it by key stays on one worker",
        wanted: "a table, as dp1.object",
        commands: &[Import],
    },
    Key {
        name: "key",
        flag: "key",
        value: "COLUMN",
        default: "",
        defaults: &[],
        help: "column with the id of the row's parent",
        wanted: "the name of a column",
        commands: &[Import],
    },
    Key {
        name: "parent_key",
        flag: "parent-key",
        value: "COLUMN",
        default: "",
        defaults: &[],
        help: "column of the parent with its id; without it, the name of key",
        wanted: "the name of a column",
        commands: &[Import],
    },
    Key {
        name: "kind",
        flag: "kind",
        value: "KIND",
        default: "",
        defaults: &[],
        help: "what the rows are: object (one for each on the sky) or source (detections); \
               without it, source where there is a parent",
        wanted: "object or source",
        commands: &[Import],
    },
    Key {
        name: "margin",
        flag: "margin",
        value: "ARCSEC",
        default: "10",
        defaults: &[],
        help: "width of the margin, in which each tile has copies of its neighbors' rows; 0 \
               makes none",
        wanted: "a number of arcseconds from 0 to 648000",
        commands: &[Import],
    },
    Key {
        name: "index",
        flag: "index",
        value: "COLUMNS",
        default: "",
        defaults: &[],
        help: "columns of ids to look up, separated by commas; each gets an index from its \
               values to tiles",
        wanted: "names of columns, as objectId,name",
        commands: &[Import],
    },
    Key {
        name: "tile_rows",
        flag: "tile-rows",
        value: "ROWS",
        default: "1e6",
        defaults: &[],
        help: "most rows of a tile",
        wanted: ROWS,
        commands: &[Import],
    },
    Key {
        name: "tile_bytes",
        flag: "tile-bytes",
        value: "BYTES",
        default: "512MiB",
        defaults: &[],
        help: "most bytes of a tile, in memory",
        wanted: SIZE,
        commands: &[Import],
    },
    Key {
        name: "threads",
        flag: "threads",
        value: "COUNT",
        default: "",
        defaults: &[],
        help: "threads of an import or a check; without it, as many as there are cores",
        wanted: "a number of threads greater than 0",
        commands: &[Import, Check],
    },
    Key {
        name: "findings",
        flag: "findings",
        value: "COUNT",
        default: "10",
        defaults: &[],
        help: "findings of each kind that are told for a table; the others are only counted",
        wanted: "a number of findings",
        commands: &[Check],
    },
    Key {
        name: "input_format",
        flag: "input-format",
        value: "FORMAT",
        default: "",
        defaults: &[],
        help: "format of the input: csv, votable, fits or parquet; without it, as the content \
               of each file says",
        wanted: "a format: csv, votable, fits or parquet",
        commands: &[Import],
    },
    Key {
        name: "input_table",
        flag: "input-table",
        value: "NAME",
        default: "",
        defaults: &[],
        help: "which table of a VOTable or FITS file, by name or number; without it, the first",
        wanted: "a name or a number",
        commands: &[Import],
    },
    Key {
        name: "separator",
        flag: "separator",
        value: "LETTER",
        default: "",
        defaults: &[],
        help: "between the values of a CSV file; without it, what its first lines show",
        wanted: "one letter, or tab",
        commands: &[Import],
    },
    Key {
        name: "nulls",
        flag: "nulls",
        value: "WORDS",
        default: "",
        defaults: &[],
        help: "words that mean NULL in a CSV file, separated by commas",
        wanted: "words, as NA,null",
        commands: &[Import],
    },
    Key {
        name: "column_types",
        flag: "column-types",
        value: "TYPES",
        default: "",
        defaults: &[],
        help: "types of columns of a CSV file, as name:text,count:long; the types are text, \
               long, double and boolean",
        wanted: "types of columns, as name:text,count:long",
        commands: &[Import],
    },
    Key {
        name: "log",
        flag: "log",
        value: "FILTER",
        default: "info",
        defaults: &[(Query, "warn"), (Explain, "warn"), (Check, "error")],
        help: "what is logged to stderr: error, warn, info, debug, or as tracing has it, \
               warn,worker=debug",
        wanted: "a level or a filter, as info or warn,worker=debug",
        commands: &[Serve, Coordinator, Worker, Query, Explain, Import, Check],
    },
    Key {
        name: "tls_ca",
        flag: "tls-ca",
        value: "FILE",
        default: "",
        defaults: &[],
        help: "certificate of the authority that all nodes of the cluster trust",
        wanted: "a PEM file",
        commands: &[Coordinator, Worker],
    },
    Key {
        name: "tls_certificate",
        flag: "tls-certificate",
        value: "FILE",
        default: "",
        defaults: &[],
        help: "certificate of this node, as armilla certificates makes it",
        wanted: "a PEM file",
        commands: &[Coordinator, Worker],
    },
    Key {
        name: "tls_key",
        flag: "tls-key",
        value: "FILE",
        default: "",
        defaults: &[],
        help: "private key of this node",
        wanted: "a PEM file",
        commands: &[Coordinator, Worker],
    },
    Key {
        name: "dir",
        flag: "dir",
        value: "DIR",
        default: "",
        defaults: &[],
        help: "folder for the authority and for a folder of certificates for each host",
        wanted: "a folder",
        commands: &[Certificates],
    },
    Key {
        name: "coordinator",
        flag: "coordinator",
        value: "HOSTS",
        default: "",
        defaults: &[],
        help: "hosts of coordinators, separated by commas",
        wanted: HOSTS,
        commands: &[Certificates],
    },
    Key {
        name: "worker",
        flag: "worker",
        value: "HOSTS",
        default: "",
        defaults: &[],
        help: "hosts of workers, separated by commas, as the URLs of the workers name them",
        wanted: HOSTS,
        commands: &[Certificates],
    },
];

impl Key {
    /// The default for a command; empty for none.
    pub fn default_for(&self, command: Command) -> &'static str {
        let other = self.defaults.iter().find(|(for_command, _)| *for_command == command);
        other.map_or(self.default, |(_, default)| default)
    }

    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("{}{}", super::ENVIRONMENT_PREFIX, self.name.to_ascii_uppercase())
    }
}

/// The key of this name.
pub fn key(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
