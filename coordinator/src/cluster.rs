//! The cluster as the coordinator keeps it.

pub mod placement_file;
