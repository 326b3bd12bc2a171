//! A coordinator and its workers as real processes that share nothing.
//!
//! Every worker copies what placement gives it into a folder that no other process can read; then the origin
//! disappears for it too, and with the fallbacks off it has nothing but its own tiles to answer from.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::isolation::Isolation;
use crate::metrics::Counters;
use crate::process::{NotReady, Server, Starting, armilla};
use crate::{Tap, places};

/// A port that was free can be taken before the worker binds it: then all begins anew.
const ATTEMPTS: usize = 3;

/// A running cluster; every process ends with it.
#[derive(Debug)]
pub struct Cluster {
    coordinator: Server,
    workers: Vec<Server>,
    folders: Vec<PathBuf>,
    _root: TempDir,
}

impl Cluster {
    /// Starts a coordinator and three workers on an origin.
    ///
    /// # Panics
    /// With what a process said, when it does not come up.
    pub fn start(origin: &Path) -> Self {
        Self::of(origin, 3, &[])
    }

    /// Starts a coordinator, with further flags for it, and so many workers on an origin.
    ///
    /// # Panics
    /// With what a process said, when it does not come up.
    pub fn of(origin: &Path, workers: u32, coordinator_flags: &[&str]) -> Self {
        let isolation = Isolation::detect();
        for _ in 1..ATTEMPTS {
            match Self::attempt(isolation, origin, workers, coordinator_flags) {
                Ok(cluster) => return cluster,
                Err(error) if error.log.contains("in use") => {}
                Err(error) => panic!("the cluster did not start: {error:?}"),
            }
        }
        Self::attempt(isolation, origin, workers, coordinator_flags)
            .unwrap_or_else(|error| panic!("the cluster did not start: {error:?}"))
    }

    fn attempt(
        isolation: Isolation,
        origin: &Path,
        count: u32,
        coordinator_flags: &[&str],
    ) -> Result<Self, NotReady> {
        let root = TempDir::with_prefix("armilla-cluster-").expect("a temporary folder");
        let origin = prepare(isolation, root.path(), origin);
        let folders = own_folders(isolation, root.path(), count);
        let urls = free_urls(count);
        let list = urls.join(",");
        let launched: Vec<Starting> = (0..count)
            .zip(&urls)
            .map(|(index, url)| {
                let mine = &folders[index as usize];
                let hidden: Vec<&Path> =
                    folders.iter().filter(|f| *f != mine).map(PathBuf::as_path).collect();
                let inner = worker_command(root.path(), mine, &origin, url, &list);
                Starting::launch(&mut isolation.wrap(index, &inner, &hidden))
            })
            .collect();
        let workers = launched.into_iter().map(Starting::ready).collect::<Result<Vec<_>, _>>()?;
        for (index, worker) in (0..count).zip(&workers) {
            isolation.hide(worker.id(), &origin);
            check_isolated(isolation, index, worker, &folders, &origin);
        }
        let mut command =
            armilla(["coordinator", "--listen", "127.0.0.1:0", "--workers", &list, "--data"]);
        command.arg(&origin).args(coordinator_flags);
        if !coordinator_flags.contains(&"--state") {
            command.arg("--state").arg(root.path().join("state"));
        }
        let coordinator = Server::start(&mut command)?;
        Ok(Self { coordinator, workers, folders, _root: root })
    }

    /// A client of the coordinator.
    pub fn tap(&self) -> Tap {
        Tap::new(self.coordinator.url())
    }

    /// The coordinator.
    pub fn coordinator(&self) -> &Server {
        &self.coordinator
    }

    /// The workers, in the order of `--workers`.
    pub fn workers(&self) -> &[Server] {
        &self.workers
    }

    /// Ends a worker at once, as the loss of its machine would.
    pub fn kill_worker(&mut self, index: usize) {
        drop(self.workers.remove(index));
    }

    /// The folders of the workers.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The counters of every worker.
    pub fn worker_counters(&self) -> Vec<Counters> {
        self.workers.iter().map(|worker| Counters::read(&worker.metrics_url())).collect()
    }

    /// The counters of the coordinator.
    pub fn coordinator_counters(&self) -> Counters {
        Counters::read(&self.coordinator.metrics_url())
    }

    /// The workers that hold tiles of a table in their folders.
    pub fn holders(&self, table: &str) -> BTreeSet<usize> {
        let holds =
            |folder: &PathBuf| tiles(folder).iter().any(|tile| lies_in(tile, folder, table));
        (0..self.folders.len()).filter(|index| holds(&self.folders[*index])).collect()
    }
}

fn lies_in(tile: &Path, folder: &Path, table: &str) -> bool {
    let inside = tile.strip_prefix(folder).unwrap_or(tile);
    inside.components().any(|part| part.as_os_str() == table)
}

fn is_pixel(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with("Npix="))
}

/// The tiles (`Npix=….parquet`, or what lies in a folder `Npix=…`) below a folder.
pub fn tiles(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        let entries = fs::read_dir(&next).into_iter().flatten().flatten();
        for path in entries.map(|entry| entry.path()) {
            if path.is_dir() {
                open.push(path);
            } else if path.components().any(|part| is_pixel(part.as_os_str())) {
                found.push(path);
            }
        }
    }
    found
}

/// Where folders are closed by their mode, the binary and the origin must lie where workers may look.
fn prepare(isolation: Isolation, root: &Path, origin: &Path) -> PathBuf {
    if !isolation.closes_folders() {
        return origin.to_owned();
    }
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    fs::copy(places::binary(), root.join("armilla")).expect("the binary is copied");
    let copy = root.join("origin");
    let copied = Command::new("cp").args(["-rL", "--"]).arg(origin).arg(&copy).status();
    assert!(copied.is_ok_and(|status| status.success()), "the origin is copied");
    let opened = Command::new("chmod").args(["-R", "a+rX,u+w"]).arg(&copy).status();
    assert!(opened.is_ok_and(|status| status.success()), "the copy is readable");
    copy
}

fn own_folders(isolation: Isolation, root: &Path, count: u32) -> Vec<PathBuf> {
    (0..count)
        .map(|index| {
            let folder = root.join(format!("worker-{index}"));
            fs::create_dir(&folder).expect("the folder is new");
            isolation.own(index, &folder);
            folder
        })
        .collect()
}

/// Addresses whose ports were free a moment ago: all workers must know all before the first starts.
fn free_urls(count: u32) -> Vec<String> {
    let listeners: Vec<TcpListener> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free")).collect();
    let address = |l: &TcpListener| format!("http://{}", l.local_addr().expect("it is bound"));
    listeners.iter().map(address).collect()
}

fn worker_command(root: &Path, mine: &Path, origin: &Path, url: &str, list: &str) -> Command {
    let listen = url.trim_start_matches("http://");
    let plain = armilla(["worker", "--listen", listen, "--url", url, "--workers", list]);
    let copied = root.join("armilla");
    let mut command = Command::new(plain.get_program());
    for argument in plain.get_args() {
        let is_binary = argument == places::binary().as_os_str() && copied.exists();
        command.arg(if is_binary { copied.as_os_str() } else { argument });
    }
    command.args(["--fallback", "false", "--metrics", "127.0.0.1:0", "--data"]).arg(mine);
    command.arg("--origin").arg(origin);
    command
}

/// A worker sees tiles in no folder but its own.
fn check_isolated(
    isolation: Isolation,
    index: u32,
    worker: &Server,
    folders: &[PathBuf],
    origin: &Path,
) {
    for (other, folder) in folders.iter().enumerate().filter(|(i, _)| *i != index as usize) {
        let seen = isolation.sees(index, worker.id(), folder);
        assert!(seen.is_empty(), "worker {index} sees {seen:?} of worker {other}");
    }
    let seen = isolation.sees(index, worker.id(), origin);
    assert!(seen.is_empty(), "worker {index} sees {seen:?} of the origin");
    let own = isolation.sees(index, worker.id(), &folders[index as usize]);
    assert!(!own.is_empty(), "worker {index} does not see its own folder, or copied nothing");
}
