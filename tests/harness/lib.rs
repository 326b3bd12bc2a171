//! What the suites share: the binary as real processes, a cluster of them, a TAP client, and equality.
//!
//! It knows the product only from outside (command line, HTTP, metrics) and names none of our crates, so
//! that no suite can pass by sharing a mistake with what it tests, and none links DataFusion.
//! Every process listens on a port that the system chose, is ready when it says so, and dies with its owner.

pub mod answer;
pub mod client;
pub mod cluster;
pub mod crowd;
pub mod damage;
pub mod hosts;
pub mod isolation;
pub mod jobs;
pub mod metrics;
pub mod origin;
pub mod places;
pub mod process;
pub mod random;
pub mod tiles;
pub mod verdict;

pub use answer::Answer;
pub use client::Tap;
pub use cluster::Cluster;
pub use process::Server;
pub use random::Random;
