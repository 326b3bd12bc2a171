//! What users see while machines of a cluster die, freeze, lose their links or their disks.
//!
//! Every scenario starts real processes, each worker a host of its own, lets eight clients query
//! without a pause, and does something to the machines. Each answer must be right, by what one
//! process answers on the same data, or an error that names a worker; none wrong, none short.
//! One line per scenario tells the counts. They run where `TEST_FAULTS=1` asks for them, one after
//! the other; `TEST_FAULT_SECONDS` sets how long each lasts (60), `TEST_SLOW=1` adds the slowest.

mod disks;
mod leftovers;
mod links;
mod loss;
mod restart;
mod scene;
mod slow;
