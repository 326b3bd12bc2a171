//! The rules that a reviewer should not have to check: who depends on whom, how files look, what links what.
//!
//! It reads `cargo metadata` and the sources as text, and names none of our crates.

mod members;
mod refusals;
mod sources;
