//! Tests of the catalog against the shared HATS tables and against tables written here.

mod checking;
mod computed_index;
mod definitions;
mod describe;
mod estimates;
mod felis;
mod fixture;
mod importing;
mod layout;
mod lookup;
mod margins;
mod metadata;
mod placement;
mod placement_at_scale;
mod placement_sums;
mod planning;
mod pruning;
mod ranges;
mod reading;
mod scanning;
mod shared;
mod synthetic;
mod synthetic_survey;
mod synthetic_truth;
mod tap_schema;
mod writing;
