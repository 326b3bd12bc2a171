//! A worker executes tasks on the tiles that it holds, and shares nothing with its peers.
//!
//! [`session`] makes the sessions in which tasks run (the coordinator uses the same), [`tile_store`]
//! opens tiles, [`replicate`] copies what placement gives a worker into its own folder,
//! [`distributed`] is the gRPC service and the only module here that knows
//! `datafusion-distributed`, [`counters`] counts the work done.
//! A worker never chooses where work goes.

pub mod control;
pub mod counters;
pub mod distributed;
pub mod error;
pub mod replicate;
pub mod session;
pub mod tile_store;

pub use counters::Counters;
pub use distributed::{Channels, Worker, WorkerConfig};
pub use error::Error;
pub use tile_store::TileStore;
