//! The table of all settings.

mod certificates;
mod service;
mod tables;

use std::sync::LazyLock;

use super::command::Command;
use super::command::Command::{
    Add, Check, Coordinator, Describe, Explain, Import, Query, Serve, Worker,
};

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
const URLS: &str = "a list of URLs as http://127.0.0.1:9001,http://127.0.0.1:9002";
const HOSTS: &str = "a list of hosts as w1.example.org,10.0.0.2";
const ADDRESS: &str = "an address with a port, as 127.0.0.1:8080";
const ROWS: &str = "a number of rows, as 1000000 or 1e6";
const SIZE: &str = "a size, as 8GiB, 512MiB or a number of bytes";
const DURATION: &str = "a length of time, as 90s, 15min, 12h or 7d";

/// What every command has.
const LOG: Key = Key {
    name: "log",
    flag: "log",
    value: "FILTER",
    default: "info",
    defaults: &[(Query, "warn"), (Explain, "warn"), (Add, "warn"), (Check, "error")],
    help: "what is logged to stderr: error, warn, info, debug, or as tracing has it, \
           warn,worker=debug",
    wanted: "a level or a filter, as info or warn,worker=debug",
    commands: &[Serve, Coordinator, Worker, Query, Explain, Import, Add, Check, Describe],
};

/// Every setting.
pub static KEYS: LazyLock<Vec<Key>> =
    LazyLock::new(|| [service::KEYS, tables::KEYS, &[LOG], certificates::KEYS].concat());

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
