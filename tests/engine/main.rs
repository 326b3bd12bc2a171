//! What is proved from inside, on our crates: the only test binary of this member that links DataFusion.
//!
//! One module per concern; a module that needs no crate of ours belongs to another target.

mod admission;
mod arrow_columns;
mod attempts;
mod busy;
mod config;
mod cross_match;
mod csv_format;
mod deadline;
mod every_format;
mod features;
mod in_process;
mod in_turn;
mod jobs;
mod join_units;
mod kept_indexes;
mod local_joins;
mod match_pieces;
mod moving;
mod nearest;
mod nodes;
mod opening;
mod panics;
mod parts;
mod placement_choice;
mod read_tables;
mod reload;
mod sky_cases;
mod streaming;
mod synthetic;
mod transport;
mod traps;
mod upload_ids;
mod uploads;
mod versions;
mod votable_format;
mod worker_assigning;
mod worker_bed;
mod worker_budget;
mod worker_copies;
mod worker_health;
mod worker_memory;
mod worker_removal;
mod worker_routes;
mod worker_stores;
