//! The hosts of a cluster: each worker in a network namespace of its own at a bridge of its test.
//!
//! Addresses and names follow from the process id of the test, so that tests that run at the same time
//! do not meet; what a killed test has left is removed by the next. Links are cut with iptables inside
//! a worker's namespace. The coordinator and the origin are in the namespace of the test, at addresses
//! of their own. Where the system refuses namespaces, hosts are addresses 127.0.0.x without TLS.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::places::tell;

/// Last numbers of the addresses in a cluster's network.
const COORDINATOR: u8 = 1;
const ORIGIN: u8 = 2;
const FIRST_WORKER: u8 = 11;
/// From here the test reads metrics; no cut concerns it.
const OBSERVER: u8 = 254;

/// How many networks one process tries to name.
const NAMES_MAX: u32 = 90;

/// Where the hosts of one cluster are; dropped, they are removed.
#[derive(Debug)]
pub struct Hosts {
    network: Option<Network>,
}

/// A bridge with its namespaces.
#[derive(Debug)]
struct Network {
    /// `PID-NUMBER`, part of every name.
    id: String,
    prefix: [u8; 3],
    workers: usize,
}

/// In which direction a link is cut, as the host sees it on which the rule lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Nothing goes either way.
    Both,
    /// The host hears nothing, but is heard.
    Inward,
    /// The host hears, but is not heard.
    Outward,
}

/// From whom a host is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// From everyone: coordinator, workers, origin.
    Everyone,
    /// From the coordinator alone.
    Coordinator,
    /// From one other worker.
    Worker(usize),
}

impl Hosts {
    /// Hosts for so many workers: namespaces where the system allows them and `namespaces` is asked
    /// for, addresses of the loopback network else.
    pub fn make(workers: usize, namespaces: bool) -> Self {
        remove_leftovers();
        Self { network: if namespaces { Network::make(workers) } else { None } }
    }

    /// Whether each worker has a network of its own, whose links can be cut.
    pub fn are_apart(&self) -> bool {
        self.network.is_some()
    }

    /// Whether links can be cut; where not, it is said aloud.
    pub fn links_can_be_cut(&self) -> bool {
        if !self.are_apart() {
            tell(
                "\nNOT TESTED, this system refuses network namespaces: workers share 127.0.0.x, \
                 and no link can be cut\n",
            );
        }
        self.are_apart()
    }

    fn address(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.network.as_ref().map_or([127, 0, 0], |network| network.prefix);
        Ipv4Addr::new(a, b, c, last)
    }

    /// Where the coordinator meets its workers.
    pub fn coordinator(&self) -> Ipv4Addr {
        self.address(COORDINATOR)
    }

    /// Where an origin of the test may listen.
    pub fn origin(&self) -> Ipv4Addr {
        self.address(if self.are_apart() { ORIGIN } else { COORDINATOR })
    }

    /// The address of a worker.
    pub fn worker(&self, index: usize) -> Ipv4Addr {
        self.address(FIRST_WORKER + u8::try_from(index).expect("few workers"))
    }

    /// A program and its arguments after which another command runs on a worker's host.
    pub fn enter(&self, index: usize) -> Vec<String> {
        let Some(network) = &self.network else { return Vec::new() };
        let namespace = format!("--net=/run/netns/{}", network.namespace(index));
        vec!["nsenter".to_owned(), namespace, "--".to_owned()]
    }

    /// Cuts the link of a worker until [`Self::heal`].
    ///
    /// # Panics
    /// When the hosts have no network of their own, or iptables fails.
    pub fn cut(&self, index: usize, peer: Peer, direction: Direction) {
        let (not, address) = match peer {
            Peer::Everyone => (Some("!"), self.address(OBSERVER)),
            Peer::Coordinator => (None, self.coordinator()),
            Peer::Worker(other) => (None, self.worker(other)),
        };
        let rules =
            [("INPUT", "-i", "-s", Direction::Outward), ("OUTPUT", "-o", "-d", Direction::Inward)];
        for (chain, interface, side, open) in rules {
            if direction != open {
                let mut command = self.command(index, "iptables");
                command.args(["-w", "-I", chain, "!", interface, "lo"]).args(not);
                succeed(command.args([side, &address.to_string(), "-j", "DROP"]));
            }
        }
    }

    /// Lets everything through to and from a worker again.
    ///
    /// # Panics
    /// When iptables fails.
    pub fn heal(&self, index: usize) {
        for chain in ["INPUT", "OUTPUT"] {
            let mut command = self.command(index, "iptables");
            succeed(command.args(["-w", "-F", chain]));
        }
    }

    /// How many bytes have left a worker's host, whatever for.
    ///
    /// # Panics
    /// When the hosts have no network of their own.
    pub fn sent_bytes(&self, index: usize) -> u64 {
        let read = succeed(self.command(index, "cat").arg("/proc/net/dev"));
        let text = String::from_utf8_lossy(&read.stdout).into_owned();
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix("eth0:"));
        let sent = line.and_then(|line| line.split_whitespace().nth(8)?.parse().ok());
        sent.expect("the kernel counts what eth0 sends")
    }

    fn command(&self, index: usize, program: &str) -> Command {
        let enter = self.enter(index);
        let (first, rest) = enter.split_first().expect("the hosts have networks of their own");
        let mut command = Command::new(first);
        command.args(rest).arg(program);
        command
    }
}

/// The address from which metrics of a host are read: one that no cut concerns; none on loopback.
pub fn observer_of(host: &str) -> Option<IpAddr> {
    let [a, b, c, _] = host.parse::<Ipv4Addr>().ok()?.octets();
    (a == 10).then(|| IpAddr::V4(Ipv4Addr::new(a, b, c, OBSERVER)))
}

impl Network {
    /// None where the system refuses.
    fn make(workers: usize) -> Option<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let process = std::process::id();
        for _ in 0..NAMES_MAX {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed) % NAMES_MAX;
            let id = format!("{process}-{number}");
            let Some(prefix) = free_prefix(process, number) else { continue };
            let network = Self { id, prefix, workers };
            if !try_ip(&["link", "add", &network.bridge(), "type", "bridge"]) {
                // No right to, or left by a process of the same id: another name decides it.
                std::mem::forget(network);
                continue;
            }
            return network.fill().then_some(network);
        }
        None
    }

    fn fill(&self) -> bool {
        let [a, b, c] = self.prefix;
        let bridge = self.bridge();
        let address = |last: u8| format!("{a}.{b}.{c}.{last}/24");
        let own = [COORDINATOR, ORIGIN, OBSERVER];
        own.iter().all(|last| try_ip(&["addr", "add", &address(*last), "dev", &bridge]))
            && try_ip(&["link", "set", &bridge, "up"])
            && (0..self.workers).all(|index| {
                let (space, veth) = (self.namespace(index), self.veth(index));
                let last = FIRST_WORKER + u8::try_from(index).expect("few workers");
                let pair = ["type", "veth", "peer", "name", "eth0", "netns", &space];
                try_ip(&["netns", "add", &space])
                    && try_ip(&[&["link", "add", &veth], &pair[..]].concat())
                    && try_ip(&["link", "set", &veth, "master", &bridge, "up"])
                    && try_ip(&["-n", &space, "addr", "add", &address(last), "dev", "eth0"])
                    && try_ip(&["-n", &space, "link", "set", "eth0", "up"])
                    && try_ip(&["-n", &space, "link", "set", "lo", "up"])
                    && Command::new("nsenter")
                        .args([&format!("--net=/run/netns/{space}"), "iptables", "-w", "-L", "-n"])
                        .output()
                        .is_ok_and(|output| output.status.success())
            })
    }

    fn bridge(&self) -> String {
        format!("ab{}", self.id)
    }

    fn veth(&self, index: usize) -> String {
        format!("av{}-{index}", self.id)
    }

    fn namespace(&self, index: usize) -> String {
        format!("armilla-{}-{index}", self.id)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for index in 0..self.workers {
            // Whatever was made of it.
            try_ip(&["link", "del", &self.veth(index)]);
            try_ip(&["netns", "del", &self.namespace(index)]);
        }
        try_ip(&["link", "del", &self.bridge()]);
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.network {
            Some(Network { prefix: [a, b, c], .. }) => write!(f, "namespaces at {a}.{b}.{c}.0/24"),
            None => f.write_str("127.0.0.x"),
        }
    }
}

/// Three numbers of a network that nobody uses, different for different processes.
fn free_prefix(process: u32, number: u32) -> Option<[u8; 3]> {
    let used = ip(&["-4", "-o", "addr", "show"]).unwrap_or_default();
    let [_, _, high, low] = process.wrapping_mul(7).wrapping_add(number).to_be_bytes();
    let prefix = [10, 64 + high % 128, low];
    let shown = format!(" {}.{}.{}.", prefix[0], prefix[1], prefix[2]);
    (!used.contains(&shown)).then_some(prefix)
}

/// Removes namespaces and bridges of tests whose process is gone.
fn remove_leftovers() {
    let gone = |id: &str| -> bool {
        let process = id.split('-').next().and_then(|process| process.parse::<u32>().ok());
        process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists())
    };
    let listed = ip(&["netns", "list"]).unwrap_or_default();
    for name in listed.lines().filter_map(|line| line.split(' ').next()) {
        if name.strip_prefix("armilla-").is_some_and(gone) {
            try_ip(&["netns", "del", name]);
        }
    }
    let links = ip(&["-o", "link", "show", "type", "bridge"]).unwrap_or_default();
    for name in links.lines().filter_map(|line| line.split(": ").nth(1)) {
        if name.strip_prefix("ab").is_some_and(gone) {
            try_ip(&["link", "del", name]);
        }
    }
}

fn ip(arguments: &[&str]) -> Option<String> {
    let output = Command::new("ip").args(arguments).output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then_some(said)
}

fn try_ip(arguments: &[&str]) -> bool {
    ip(arguments).is_some()
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Direction, Hosts, Peer, ip};
    use crate::isolation::Isolation;
    use crate::origin::Origin;

    /// What a worker reads of a server, by a shell on its host.
    fn asks(hosts: &Hosts, index: usize, origin: &Origin) -> bool {
        let enter = hosts.enter(index);
        let address = origin.url().replace("http://", "").replace("/sky", "").replace(':', "/");
        let script = format!(
            "exec 3<>/dev/tcp/{address}; printf 'HEAD /x HTTP/1.1\r\n\r\n' >&3; head -n 1 <&3"
        );
        let asked = Command::new(&enter[0])
            .args(&enter[1..])
            .args(["timeout", "1", "bash", "-c", &script])
            .output();
        let said = asked.expect("nsenter starts").stdout;
        String::from_utf8_lossy(&said).starts_with("HTTP/1.1 200")
    }

    #[test]
    fn a_link_that_is_cut_is_silent_until_it_is_healed() {
        let hosts = Hosts::make(2, Isolation::detect() == Isolation::Mount);
        if !hosts.links_can_be_cut() {
            return;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("x"), "x").expect("a file is written");
        let origin = Origin::serve(folder.path(), hosts.origin());
        assert!(asks(&hosts, 0, &origin) && asks(&hosts, 1, &origin));
        for direction in [Direction::Both, Direction::Inward, Direction::Outward] {
            hosts.cut(0, Peer::Everyone, direction);
            assert!(!asks(&hosts, 0, &origin), "{direction:?}");
            assert!(asks(&hosts, 1, &origin), "{direction:?}");
            hosts.heal(0);
            assert!(asks(&hosts, 0, &origin), "{direction:?}");
        }
        for peer in [Peer::Coordinator, Peer::Worker(1)] {
            hosts.cut(0, peer, Direction::Both);
            assert!(asks(&hosts, 0, &origin), "{peer:?} is not the origin");
        }
        let name = hosts.enter(0)[1].rsplit('/').next().expect("a name").to_owned();
        let listed = || ip(&["netns", "list"]).expect("a list");
        assert!(listed().contains(&name));
        drop(hosts);
        assert!(!listed().contains(&name));
    }
}
