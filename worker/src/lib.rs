//! A worker executes tasks on the tiles that it holds, and shares nothing with its peers.
//!
//! [`node`] is what a worker is beside its tasks: its [`folder`], what it is to hold ([`holdings`])
//! and the routes by which coordinators and peers speak to it ([`control`]). `repair` brings the
//! folder to what it is to hold by `replicate` and `removal`; [`tile_store`] opens tiles from [`own_tiles`],
//! verified by [`checksum`], or from `elsewhere`, whose failures are `told` once, and the tables that
//! queries bring from [`uploads`]. [`session`] makes the sessions in which tasks
//! run (the coordinator uses the same), [`memory`] and `spill` bound what queries take,
//! [`distributed`] is the port of a worker and the only module here that knows
//! `datafusion-distributed`, [`counters`] and [`calls`] count the work done.
//! [`transport`] says who a node is, [`channels`] connects nodes, `access` and `admission` say who
//! may ask for what and which plans run, [`loss`] names a worker that was lost, [`early_start`]
//! asks for the rows of a task before its worker forgets it, [`catch_panic`] ends a query whose
//! task panics, [`cross_match`] joins by position, [`in_turn`], [`local_join`] and [`ranged_scan`] (with
//! `margin_rows`) are nodes of plans and [`codec`] sends these four, `peer_tiles` reads tiles of peers.
//! A worker never chooses where work goes.

mod access;
mod admission;
pub mod calls;
pub mod catch_panic;
pub mod channels;
pub mod checksum;
pub mod codec;
pub mod control;
pub mod counters;
pub mod cross_match;
pub mod distributed;
pub mod early_start;
mod elsewhere;
pub mod error;
pub mod folder;
pub mod front;
pub mod giving_way;
pub mod holdings;
pub mod in_turn;
pub mod local_join;
pub mod loss;
mod margin_rows;
pub mod memory;
pub mod node;
pub mod own_tiles;
pub mod pass_through;
mod peer_tiles;
pub mod ranged_scan;
pub mod refusal;
mod removal;
mod repair;
mod replicate;
pub mod session;
mod spill;
pub mod tile_store;
mod told;
pub mod transport;
pub mod uploads;

pub use access::Role;
pub use channels::{Channels, LinkError, NodeClient};
pub use counters::Counters;
pub use distributed::{Port, Worker, WorkerConfig};
pub use elsewhere::Peers;
pub use error::Error;
pub use front::Front;
pub use holdings::NodeName;
pub use node::{Node, NodeConfig};
pub use tile_store::TileStore;
pub use transport::Identity;
