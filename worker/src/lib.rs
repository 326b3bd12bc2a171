//! A worker executes tasks on the tiles that it holds, and shares nothing with its peers.
//!
//! [`session`] makes the sessions in which tasks run (the coordinator uses the same), [`tile_store`]
//! opens tiles, [`replicate`] copies what placement gives a worker into its own folder,
//! [`distributed`] is the port of a worker and the only module here that knows
//! `datafusion-distributed`, [`counters`] counts the work done.
//! [`transport`] says who a node is, [`channels`] connects nodes, `access` and `admission` say who
//! may ask for what and which plans run, [`loss`] names a worker that was lost, [`early_start`]
//! asks for the rows of a task before its worker forgets it, `peer_tiles` reads tiles of peers.
//! A worker never chooses where work goes.

mod access;
mod admission;
pub mod channels;
pub mod control;
pub mod counters;
pub mod distributed;
pub mod early_start;
pub mod error;
pub mod loss;
mod peer_tiles;
pub mod replicate;
pub mod session;
pub mod tile_store;
pub mod transport;

pub use access::Role;
pub use channels::{Channels, LinkError, NodeClient};
pub use counters::Counters;
pub use distributed::{Port, Worker, WorkerConfig};
pub use error::Error;
pub use tile_store::TileStore;
pub use transport::Identity;
