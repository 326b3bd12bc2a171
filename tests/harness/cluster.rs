//! A coordinator and its workers as real processes that share nothing.
//!
//! Every worker is a host of its own where the system allows it ([`crate::hosts`]), and copies what
//! placement gives it into a folder that no other process can read. With fallbacks off the origin
//! then disappears for it, and it has nothing but its own tiles to answer from.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::hosts::Hosts;
use crate::isolation::{Isolation, Mount};
use crate::metrics::Counters;
use crate::origin::Origin;
use crate::process::{NotReady, Server, Starting, armilla, run_armilla};
use crate::tiles::{is_of_margin, tiles};
use crate::{Tap, places};

/// A port that was free can be taken before the worker binds it: then all begins anew.
const ATTEMPTS: usize = 3;

/// The port of every worker that has a host of its own.
const PORT: u16 = 9001;

/// How a cluster is to be.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The folder from which the coordinator reads tables.
    pub data: PathBuf,
    /// How many workers there are.
    pub workers: usize,
    /// Workers reach the data over HTTP by an [`Origin`], and fall back to peers and to it. Else
    /// they copy from the folder, which then is hidden from them, and read only what they hold.
    pub over_http: bool,
    /// The size of a file system of its own for each worker's spill folder, where it is limited.
    pub spill: Option<&'static str>,
    /// Further flags of the coordinator.
    pub coordinator_flags: Vec<String>,
    /// Further flags of the workers.
    pub worker_flags: Vec<String>,
}

/// A running cluster; every process ends with it.
#[derive(Debug)]
pub struct Cluster {
    coordinator: Option<Server>,
    workers: Vec<Option<Server>>,
    site: Site,
}

/// What stays when processes go: folders, addresses, hosts.
#[derive(Debug)]
struct Site {
    plan: Plan,
    isolation: Isolation,
    /// The folder of the tables as workers may see it.
    data: PathBuf,
    folders: Vec<PathBuf>,
    urls: Vec<String>,
    /// The address of the coordinator, once it has one.
    listen: String,
    origin: Option<Origin>,
    hosts: Hosts,
    root: TempDir,
}

impl Cluster {
    /// Starts a coordinator and three workers on an origin.
    ///
    /// # Panics
    /// With what a process said, when it does not come up.
    pub fn start(origin: &Path) -> Self {
        Self::of(origin, 3, &[])
    }

    /// Starts a coordinator, with further flags for it, and so many workers on an origin; each
    /// tile on one worker alone.
    ///
    /// # Panics
    /// With what a process said, when it does not come up.
    pub fn of(origin: &Path, workers: usize, coordinator_flags: &[&str]) -> Self {
        let flags = ["--replicas", "1"].iter().chain(coordinator_flags);
        Self::by(&Plan {
            data: origin.to_owned(),
            workers,
            over_http: false,
            spill: None,
            coordinator_flags: flags.map(|flag| (*flag).to_owned()).collect(),
            worker_flags: Vec::new(),
        })
    }

    /// Starts a cluster by its plan.
    ///
    /// # Panics
    /// With what a process said, when it does not come up.
    pub fn by(plan: &Plan) -> Self {
        for _ in 1..ATTEMPTS {
            match Self::attempt(plan) {
                Ok(cluster) => return cluster,
                Err(error) if error.log.contains("in use") => {}
                Err(error) => panic!("the cluster did not start: {error:?}"),
            }
        }
        Self::attempt(plan).unwrap_or_else(|error| panic!("the cluster did not start: {error:?}"))
    }

    fn attempt(plan: &Plan) -> Result<Self, NotReady> {
        let mut site = Site::prepare(plan);
        let launched: Vec<Starting> = (0..plan.workers).map(|i| site.launch_worker(i)).collect();
        let workers = launched.into_iter().map(Starting::ready).collect::<Result<Vec<_>, _>>()?;
        // Ready when every worker is complete.
        let coordinator = site.start_coordinator()?;
        for (index, worker) in workers.iter().enumerate() {
            site.check_isolated(index, worker);
        }
        let workers = workers.into_iter().map(Some).collect();
        Ok(Self { coordinator: Some(coordinator), workers, site })
    }

    /// A client of the coordinator.
    pub fn tap(&self) -> Tap {
        Tap::new(self.coordinator().url())
    }

    /// The coordinator.
    ///
    /// # Panics
    /// When it was killed.
    pub fn coordinator(&self) -> &Server {
        self.coordinator.as_ref().expect("the coordinator runs")
    }

    /// The workers that run, in the order of `--workers`.
    pub fn workers(&self) -> Vec<&Server> {
        self.workers.iter().flatten().collect()
    }

    /// One worker.
    ///
    /// # Panics
    /// When it was killed.
    pub fn worker(&self, index: usize) -> &Server {
        self.workers[index].as_ref().expect("the worker runs")
    }

    /// Ends a worker at once, as the loss of its machine would.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill_worker(&mut self, index: usize) {
        self.workers[index].take().expect("the worker runs").kill();
    }

    /// Starts a worker that was killed, on its folder.
    ///
    /// # Panics
    /// With what it said, when it does not come up.
    pub fn restart_worker(&mut self, index: usize) {
        let started = self.site.launch_worker(index).ready();
        let server = started.unwrap_or_else(|e| panic!("worker {index} did not start: {e:?}"));
        self.workers[index] = Some(server);
    }

    /// Ends the coordinator at once.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill_coordinator(&mut self) {
        self.coordinator.take().expect("the coordinator runs").kill();
    }

    /// Starts the coordinator again: on its state, at its address.
    ///
    /// # Panics
    /// With what it said, when it does not come up.
    pub fn restart_coordinator(&mut self) {
        let started = self.site.start_coordinator();
        self.coordinator = Some(started.unwrap_or_else(|e| panic!("it did not start: {e:?}")));
    }

    /// Gives the coordinator other flags, from its next start.
    pub fn set_coordinator_flags(&mut self, flags: &[&str]) {
        self.site.plan.coordinator_flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
    }

    /// The folder of the coordinator's state, unless a flag names another.
    pub fn state(&self) -> PathBuf {
        self.site.state()
    }

    /// Where the workers are: their links can be cut.
    pub fn hosts(&self) -> &Hosts {
        &self.site.hosts
    }

    /// The origin of a cluster that reads over HTTP.
    ///
    /// # Panics
    /// When the cluster has a folder as its origin.
    pub fn origin(&self) -> &Origin {
        self.site.origin.as_ref().expect("the plan said over_http")
    }

    /// The addresses of the workers as messages name them: host and port.
    pub fn names(&self) -> Vec<String> {
        let name = |url: &String| url.split_once("://").map_or("", |(_, name)| name).to_owned();
        self.site.urls.iter().map(name).collect()
    }

    /// The folders of the workers.
    pub fn folders(&self) -> &[PathBuf] {
        &self.site.folders
    }

    /// The spill folder of a worker whose plan limits it.
    pub fn spill_folder(&self, index: usize) -> PathBuf {
        self.site.spill_folder(index)
    }

    /// Runs a command that sees what a worker sees, and gives whether it went well.
    pub fn run_inside(&self, index: usize, arguments: &[&str]) -> bool {
        let process = self.worker(index).id();
        let number = u32::try_from(index).expect("few workers");
        self.site.isolation.run_inside(number, process, arguments).status.success()
    }

    /// Lays an empty file system without room over a folder of a worker's data: its tiles there
    /// are gone, and none can be copied anew. It ends with the worker.
    ///
    /// # Panics
    /// When the worker has no mounts of its own.
    pub fn lose_disk(&self, index: usize, folder: &str) {
        let lost = self.folders()[index].join(folder);
        let lost = lost.to_string_lossy();
        let mount = ["mount", "-t", "tmpfs", "-o", "size=4k,ro", "none", &*lost];
        assert!(self.run_inside(index, &mount), "{lost} is covered");
    }

    /// Whether a worker can have file systems of its own.
    pub fn has_mounts(&self) -> bool {
        self.site.isolation.mounts()
    }

    /// The counters of every worker.
    pub fn worker_counters(&self) -> Vec<Counters> {
        self.workers().iter().map(|worker| Counters::read(&worker.metrics_url())).collect()
    }

    /// The counters of the coordinator.
    pub fn coordinator_counters(&self) -> Counters {
        Counters::read(&self.coordinator().metrics_url())
    }

    /// The workers that hold a tile of a table that no other holds. A tile that reaches over the
    /// border of two workers' sky is with both, and either may read it.
    pub fn sole_holders(&self, table: &str) -> BTreeSet<usize> {
        let mut holders: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
        for (index, folder) in self.folders().iter().enumerate() {
            for tile in tiles(folder) {
                let tile = tile.strip_prefix(folder).unwrap_or(&tile).to_owned();
                let is_below = tile.components().any(|part| part.as_os_str() == table);
                // A margin of a collection lies in its folder: not every query reads it.
                if is_below && !is_of_margin(&tile) {
                    holders.entry(tile).or_default().push(index);
                }
            }
        }
        let sole = holders.values().filter(|holders| holders.len() == 1);
        sole.map(|holders| holders[0]).collect()
    }
}

impl Site {
    fn prepare(plan: &Plan) -> Self {
        let isolation = Isolation::detect();
        let root = TempDir::with_prefix("armilla-cluster-").expect("a temporary folder");
        let data = prepare(isolation, root.path(), &plan.data);
        let hosts = Hosts::make(plan.workers, isolation == Isolation::Mount);
        let origin = plan.over_http.then(|| Origin::serve(&data, hosts.origin()));
        let site = Self {
            plan: plan.clone(),
            isolation,
            data,
            folders: own_folders(isolation, root.path(), plan),
            urls: urls(&hosts, plan.workers),
            listen: "127.0.0.1:0".to_owned(),
            origin,
            hosts,
            root,
        };
        if site.hosts.are_apart() {
            site.make_certificates();
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn spill_folder(&self, index: usize) -> PathBuf {
        self.path(&format!("spill-{index}"))
    }

    /// Where the certificate of a host lies.
    fn certificate(&self, address: Ipv4Addr) -> PathBuf {
        self.path("certificates").join(address.to_string())
    }

    /// Between hosts nobody speaks without certificates.
    fn make_certificates(&self) {
        let folder = self.path("certificates");
        let workers: Vec<String> =
            (0..self.plan.workers).map(|index| self.hosts.worker(index).to_string()).collect();
        let made = run_armilla([
            OsString::from("certificates"),
            "--dir".into(),
            folder.into(),
            "--coordinator".into(),
            self.hosts.coordinator().to_string().into(),
            "--worker".into(),
            workers.join(",").into(),
        ]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn with_certificate(&self, command: &mut Command, address: Ipv4Addr) {
        if self.hosts.are_apart() {
            let folder = self.certificate(address);
            for (flag, file) in [
                ("--tls-ca", "ca.pem"),
                ("--tls-certificate", "certificate.pem"),
                ("--tls-key", "key.pem"),
            ] {
                command.arg(flag).arg(folder.join(file));
            }
        }
    }

    fn launch_worker(&self, index: usize) -> Starting {
        let number = u32::try_from(index).expect("few workers");
        let enter = self.hosts.enter(index);
        let inner = self.worker_command(index);
        let mut command = self.isolation.wrap(number, &enter, &inner, &self.mounts(index));
        Starting::launch(&mut command)
    }

    /// What lies over folders for one worker: nothing over those of the others, room to spill.
    fn mounts(&self, index: usize) -> Vec<Mount> {
        let others = (0..self.plan.workers).filter(|other| *other != index);
        let mut hidden: Vec<PathBuf> = others.clone().map(|o| self.folders[o].clone()).collect();
        if self.hosts.are_apart() {
            hidden.extend(others.map(|other| self.certificate(self.hosts.worker(other))));
            hidden.push(self.certificate(self.hosts.coordinator()));
        }
        if self.plan.over_http {
            hidden.push(self.data.clone());
        }
        let mut mounts: Vec<Mount> = hidden.iter().map(|folder| Mount::hiding(folder)).collect();
        let spill = self.plan.spill.filter(|_| self.isolation.mounts());
        mounts.extend(spill.map(|size| Mount { folder: self.spill_folder(index), size }));
        mounts
    }

    fn worker_command(&self, index: usize) -> Command {
        let (_, listen) = self.urls[index].split_once("://").expect("a URL");
        let metrics = format!("{}:0", self.hosts.worker(index));
        let plain = armilla(["worker", "--listen", listen, "--metrics", &metrics]);
        let copied = self.path("armilla");
        let mut command = Command::new(plain.get_program());
        for argument in plain.get_args() {
            let is_binary = argument == places::binary().as_os_str() && copied.exists();
            command.arg(if is_binary { copied.as_os_str() } else { argument });
        }
        command.arg("--data").arg(&self.folders[index]).arg("--origin");
        match &self.origin {
            Some(origin) => command.arg(origin.url()),
            None => command.arg(&self.data).args(["--fallback", "false"]),
        };
        if self.plan.spill.is_some() {
            command.arg("--spill").arg(self.spill_folder(index));
        }
        self.with_certificate(&mut command, self.hosts.worker(index));
        command.args(&self.plan.worker_flags);
        command
    }

    fn state(&self) -> PathBuf {
        self.path("state")
    }

    fn start_coordinator(&mut self) -> Result<Server, NotReady> {
        let list = self.urls.join(",");
        let mut command = armilla(["coordinator", "--listen", &self.listen, "--workers", &list]);
        command.arg("--data").arg(&self.data);
        self.with_certificate(&mut command, self.hosts.coordinator());
        command.args(&self.plan.coordinator_flags);
        let given = |name: &str| self.plan.coordinator_flags.iter().any(|flag| flag == name);
        if !given("--small-table") {
            command.args(["--small-table", "0"]);
        }
        if !given("--state") {
            command.arg("--state").arg(self.state());
        }
        let server = Server::start(&mut command)?;
        let address = server.url().split_once("://").map_or("", |(_, rest)| rest);
        self.listen = address.split('/').next().unwrap_or_default().to_owned();
        Ok(server)
    }

    /// A worker sees tiles in no folder but its own.
    fn check_isolated(&self, index: usize, worker: &Server) {
        let (number, process) = (u32::try_from(index).expect("few workers"), worker.id());
        if !self.plan.over_http {
            self.isolation.hide(process, &self.data);
        }
        for (other, folder) in self.folders.iter().enumerate().filter(|(i, _)| *i != index) {
            let seen = self.isolation.sees(number, process, folder);
            assert!(seen.is_empty(), "worker {index} sees {seen:?} of worker {other}");
        }
        let own = self.isolation.sees(number, process, &self.folders[index]);
        assert!(!own.is_empty(), "worker {index} does not see its own folder, or copied nothing");
        // Another user may read an origin over HTTP in its folder; nobody tells it where that is.
        if self.isolation.mounts() || !self.plan.over_http {
            let seen = self.isolation.sees(number, process, &self.data);
            assert!(seen.is_empty(), "worker {index} sees {seen:?} of the origin");
        }
    }
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

fn own_folders(isolation: Isolation, root: &Path, plan: &Plan) -> Vec<PathBuf> {
    let make = |index: usize, name: &str| {
        let folder = root.join(format!("{name}-{index}"));
        fs::create_dir(&folder).expect("the folder is new");
        isolation.own(u32::try_from(index).expect("few workers"), &folder);
        folder
    };
    (0..plan.workers)
        .map(|index| {
            if plan.spill.is_some() {
                make(index, "spill");
            }
            make(index, "worker")
        })
        .collect()
}

/// The addresses of the workers: with hosts of their own, the same port on each; else ports that
/// were free a moment ago.
fn urls(hosts: &Hosts, count: usize) -> Vec<String> {
    if hosts.are_apart() {
        return (0..count).map(|index| format!("https://{}:{PORT}", hosts.worker(index))).collect();
    }
    let bind = |index| TcpListener::bind((hosts.worker(index), 0)).expect("a port is free");
    let listeners: Vec<TcpListener> = (0..count).map(bind).collect();
    let address = |l: &TcpListener| format!("http://{}", l.local_addr().expect("it is bound"));
    listeners.iter().map(address).collect()
}
