//! What is proved from inside, on our crates: the only test binary of this member that links DataFusion.
//!
//! One module per concern; a module that needs no crate of ours belongs to another target.

mod arrow_columns;
mod config;
mod csv_format;
mod every_format;
mod features;
mod in_process;
mod jobs;
mod parts;
mod sky_cases;
mod streaming;
mod traps;
mod votable_format;
