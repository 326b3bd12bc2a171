//! The coordinator: takes ADQL over TAP, plans, fans out over workers, streams the answer back.
//!
//! [`engine`] is the way through for one query, `attempts` its repetition where a worker is lost,
//! `owned` what ends with its owner,
//! [`cluster`] the workers, [`plan`] the physical passes and
//! [`distributed`] the only module here that knows `datafusion-distributed`.
//! [`parts`] runs a long one in parts of the sky. An engine is of one snapshot; [`process`] is what
//! those on several share, and [`reload`] puts a new one in the place of the former.
//! [`uploads`] are the tables that queries bring, [`tap`] alone knows the HTTP of users,
//! [`format`](mod@format) the documents that leave, [`uws`] the jobs.
//! The coordinator of a cluster never opens a tile.

pub(crate) mod attempts;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod distributed;
pub mod engine;
pub mod error;
pub mod format;
mod names;
mod origin;
mod owned;
pub mod parts;
pub mod plan;
pub mod process;
pub mod reload;
pub mod tap;
pub mod uploads;
pub mod uws;

pub use engine::{Engine, QueryOptions, QueryResult};
pub use error::Error;
