//! The arguments of the process, by clap, made from the table of keys.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command as Clap};

use crate::config::{Command, FILE, KEYS, Key};

/// Name of the positional argument of `query` and `explain`.
const ADQL: &str = "ADQL";

/// Name of the positional argument of `add`.
const LOCATION: &str = "LOCATION";
/// Name of the positional argument of `describe`.
const TABLE: &str = "TABLE";

/// Name of the positional arguments of `import`.
const INPUT: &str = "INPUT";

/// Name of the positional arguments of `check`.
const PATH: &str = "PATH";

const ABOUT: &str = "ADQL over petabytes of catalogs: a TAP service on HATS tables";

const AFTER_HELP: &str = "\
A first look:
  armilla                          serves a demo sky, made in ./armilla-data on first start
  armilla serve --data DIR         serves DIR: give http://127.0.0.1:8080/tap to TOPCAT or pyvo
  armilla query --data DIR 'SELECT TOP 5 * FROM mytable'

DIR holds HATS tables as DIR/<table> or DIR/<schema>/<table>, or is one itself.

Without a command, armilla serves.
Every flag is also a key of the TOML file given by --config (max_rows) and an environment
variable (ARMILLA_MAX_ROWS). A flag beats the variable, the variable beats the file.";

const IMPORT_EXAMPLE: &str = "\
Examples:
  armilla import NGC.csv.gz --out /sky/public/opengc
  armilla import objects/ --out /sky/dp1/object --index objectId --margin 5
  armilla import sources/ --out /sky/dp1/source --parent dp1.object --key objectId
  armilla import s3://bucket/survey/ --out /sky/survey/object

The table appears when it is complete. An import that is killed goes on when the same command is
given again. Rows without a position are counted, and are in without_position.parquet in the folder
of the table.";

const ADD_EXAMPLE: &str = "\
Example:
  armilla add https://data.example.org/hats/gaia_dr3 --data /sky --as gaia.source

Nothing is copied: /sky/gaia/source/elsewhere.toml says where the table lies, and a table.toml
beside it may describe it. Services show it when they start again; workers copy their share from
where it lies. To remove it, delete /sky/gaia/source. Credentials of s3:// come from the AWS_…
variables of each process and are never written.";

const CHECK_EXAMPLE: &str = "\
Examples:
  armilla check /sky/dp1/object
  armilla check /sky s3://bucket/gaia_collection

Every value is read and held against tiles, order, statistics, margins, indexes, counts and MOC.
What is wrong is on a line each: its kind, the file, the row group and row (counted from 0), what is
there and what was expected. The exit code is 0 where all is good, 1 where something is wrong, and 2
for a command line that cannot be. A note says what queries take as it is meant.";

const DESCRIBE_EXAMPLE: &str = "\
Examples:
  armilla describe /sky/dp1/object --felis dp1.yaml --write
  armilla describe /sky/dp1/object
  armilla describe https://example.org/hats/gaia --metadata descriptions --write

The first writes table.toml: title, units, UCDs, frames, keys and the like, as far as files and
Felis say them, each column with its type, and comments where something is missing. What is in the
file already stays as it is. The second tells what is wrong, each with its line, and ends with 1 if
anything is. The third keeps the description apart from data that cannot be written to; serve it by
  armilla serve --data https://example.org/hats/gaia --metadata descriptions";

const CERTIFICATES_EXAMPLE: &str = "\
Example, one coordinator and two workers:
  armilla certificates --dir /root/armilla-certificates \\
    --coordinator tap.example.org --worker w1.example.org,w2.example.org

Then copy the folder DIR/<host> to each host, readable by the service only, and give each node
  --tls-ca ca.pem --tls-certificate certificate.pem --tls-key key.pem
and the coordinator --workers https://w1.example.org:9001,https://w2.example.org:9001
A host is named as the URLs of --workers name it. DIR/ca.key signs new certificates: it stays
where it is. Certificates of nodes count for two years; run the command again to renew or add
some, and start those nodes again. To take a host's certificate back, make everything anew in
another folder.";

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) command: Command,
    /// The TOML file: the flag, or else `ARMILLA_CONFIG`.
    pub(crate) file: Option<OsString>,
    pub(crate) flags: BTreeMap<String, String>,
    /// The query, the location that is added, or the table that is described; empty for others.
    pub(crate) text: String,
    /// The files and folders that are imported.
    pub(crate) inputs: Vec<PathBuf>,
    /// The folders and URLs that are checked.
    pub(crate) paths: Vec<String>,
}

impl Arguments {
    pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Self, clap::Error> {
        let matches = command_line().try_get_matches_from(with_command(arguments))?;
        let (name, matches) = matches.subcommand().expect("clap requires a subcommand");
        let command = Command::ALL.into_iter().find(|command| command.name() == name);
        let command = command.expect("clap knows no other subcommand");
        let file = matches.get_one::<OsString>(FILE).cloned();
        let text = takes_text(command).and_then(|(name, _)| matches.get_one::<String>(name));
        let inputs = match command {
            Command::Import => matches.get_many::<PathBuf>(INPUT).unwrap_or_default(),
            _ => clap::parser::ValuesRef::default(),
        };
        let paths = match command {
            Command::Check => matches.get_many::<String>(PATH).unwrap_or_default(),
            _ => clap::parser::ValuesRef::default(),
        };
        Ok(Self {
            command,
            file: file.or_else(|| std::env::var_os("ARMILLA_CONFIG")),
            flags: flags(command, matches),
            text: text.cloned().unwrap_or_default(),
            inputs: inputs.cloned().collect(),
            paths: paths.cloned().collect(),
        })
    }
}

/// The arguments with `serve` where they name no command.
fn with_command(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    const ASKS_ABOUT_ALL: [&str; 4] = ["--help", "-h", "--version", "-V"];
    let mut arguments: Vec<OsString> = arguments.collect();
    let implied = match arguments.get(1).map(|first| first.to_string_lossy()) {
        None => true,
        Some(first) => first.starts_with('-') && !ASKS_ABOUT_ALL.contains(&first.as_ref()),
    };
    if implied && !arguments.is_empty() {
        arguments.insert(1, Command::Serve.name().into());
    }
    arguments
}

/// The one text that a command takes, and what it is.
fn takes_text(command: Command) -> Option<(&'static str, &'static str)> {
    match command {
        Command::Query | Command::Explain => Some((ADQL, "the query; - reads it from stdin")),
        Command::Add => Some((LOCATION, "folder or URL of a HATS table or collection")),
        Command::Describe => Some((TABLE, "folder DIR/SCHEMA/TABLE, or the address of a table")),
        Command::Serve
        | Command::Coordinator
        | Command::Worker
        | Command::Import
        | Command::Check
        | Command::Certificates => None,
    }
}

fn keys_of(command: Command) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.commands.contains(&command))
}

fn flags(command: Command, matches: &ArgMatches) -> BTreeMap<String, String> {
    let given = keys_of(command).filter_map(|key| {
        let value = if key.value.is_empty() {
            matches.get_flag(key.name).then(|| true.to_string())
        } else {
            matches.get_one::<String>(key.name).cloned()
        };
        Some((key.name.to_owned(), value?))
    });
    given.collect()
}

/// The command line as clap has it: from it come parsing, `--help` and shell completions.
pub fn command_line() -> Clap {
    let subcommands = Command::ALL.map(subcommand);
    Clap::new("armilla")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(AFTER_HELP)
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommands(subcommands)
}

fn subcommand(command: Command) -> Clap {
    let file = Arg::new(FILE)
        .long(FILE)
        .value_name("FILE")
        .value_parser(clap::value_parser!(OsString))
        .help("TOML file with settings [env: ARMILLA_CONFIG]");
    let mut clap = Clap::new(command.name())
        .about(about(command))
        .after_help(example(command))
        .arg(file)
        .args(keys_of(command).map(|key| argument(command, key)));
    if let Some((name, help)) = takes_text(command) {
        clap = clap.arg(Arg::new(name).value_name(name).required(true).help(help));
    }
    if command == Command::Import {
        let help = "files, folders and URLs (s3://, https://) of one table";
        let input = Arg::new(INPUT).value_name(INPUT).num_args(0..).help(help);
        clap = clap.arg(input.value_parser(clap::value_parser!(PathBuf)));
    }
    if command == Command::Check {
        let help =
            "folders or URLs of tables, collections or folders of tables; without one, --data";
        clap = clap.arg(Arg::new(PATH).value_name(PATH).num_args(0..).help(help));
    }
    clap
}

fn argument(command: Command, key: &'static Key) -> Arg {
    let default = match key.default_for(command) {
        "" => String::new(),
        _ if key.value.is_empty() => String::new(),
        default => format!("[default: {default}] "),
    };
    let help = wrapped(&format!("{} {default}[env: {}]", key.help, key.variable()));
    let argument = Arg::new(key.name).long(key.flag).help(help);
    if key.value.is_empty() {
        argument.action(ArgAction::SetTrue)
    } else {
        argument.value_name(key.value)
    }
}

/// The text in lines that fit beside the flags on a terminal of 100 columns.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 72;
    let mut lines = String::new();
    let mut length = 0;
    for word in text.split(' ') {
        if length > 0 && length + word.len() >= WIDTH {
            lines.push('\n');
            length = 0;
        } else if length > 0 {
            lines.push(' ');
        }
        lines.push_str(word);
        length += word.len() + 1;
    }
    lines
}

fn about(command: Command) -> &'static str {
    match command {
        Command::Serve => "Serve the tables of a folder as TAP, everything in this process",
        Command::Coordinator => "Serve tables as TAP, executed by the workers of a cluster",
        Command::Worker => "Hold a share of the tables' tiles and execute tasks on them",
        Command::Query => "Run one query and write its rows to stdout",
        Command::Explain => "Tell which tiles, row groups and rows a query touches, and why",
        Command::Import => {
            "Make a table of files: CSV, VOTable, FITS, Parquet or Arrow in, HATS out"
        }
        Command::Add => "Serve a HATS table or collection in place, wherever it lies",
        Command::Check => "Tell what is wrong with HATS tables, and where",
        Command::Describe => "Tell what is wrong or missing in what is said of a table",
        Command::Certificates => {
            "Make the certificates by which a cluster's nodes trust each other"
        }
    }
}

fn example(command: Command) -> &'static str {
    match command {
        Command::Serve => "Example:\n  armilla serve --data /sky --listen 127.0.0.1:8080",
        Command::Coordinator => {
            "Example, with three workers:\n  armilla coordinator --data /sky \\\n    \
             --workers http://127.0.0.1:9001,http://127.0.0.1:9002,http://127.0.0.1:9003"
        }
        Command::Worker => {
            "Example:\n  armilla worker --data /disk1/tiles --origin /sky --listen 127.0.0.1:9001\n\n\
             The coordinator tells it what to hold. A worker executes plans: beyond loopback it \
             needs\ncertificates, which armilla certificates makes."
        }
        Command::Query => {
            "Example:\n  armilla query --data /sky --format csv \\\n    \
             'SELECT TOP 5 ra, dec FROM stars WHERE DISTANCE(ra, dec, 10.68, 41.27) < 0.1'"
        }
        Command::Explain => {
            "Example:\n  armilla explain --data /sky \\\n    \
             'SELECT COUNT(*) FROM stars WHERE DISTANCE(ra, dec, 10.68, 41.27) < 0.1'"
        }
        Command::Import => IMPORT_EXAMPLE,
        Command::Add => ADD_EXAMPLE,
        Command::Check => CHECK_EXAMPLE,
        Command::Describe => DESCRIBE_EXAMPLE,
        Command::Certificates => CERTIFICATES_EXAMPLE,
    }
}
