//! A worker executes tasks on the tiles that it holds, and shares nothing with its peers.
//!
//! [`node`] is what a worker is beside its tasks: its [`folder`], what it is to hold ([`holdings`])
//! and the routes by which coordinators and peers speak to it ([`control`]). [`repair`] brings the
//! folder to what it is to hold by [`replicate`]; [`tile_store`] opens tiles from [`own_tiles`],
//! verified by [`checksum`], or from [`elsewhere`]. [`session`] makes the sessions in which tasks
//! run (the coordinator uses the same), [`memory`] and [`spill`] bound what queries take,
//! [`distributed`] is the gRPC service and the only module here that knows
//! `datafusion-distributed`, [`counters`] and [`calls`] count the work done.
//! A worker never chooses where work goes.

pub mod calls;
pub mod checksum;
pub mod control;
pub mod counters;
pub mod distributed;
mod elsewhere;
pub mod error;
pub mod folder;
pub mod holdings;
pub mod memory;
pub mod node;
pub mod own_tiles;
mod repair;
mod replicate;
pub mod session;
mod spill;
pub mod tile_store;

pub use counters::Counters;
pub use distributed::{Channels, Worker, WorkerConfig};
pub use elsewhere::Peers;
pub use error::Error;
pub use holdings::NodeName;
pub use node::{Node, NodeConfig};
pub use tile_store::TileStore;
