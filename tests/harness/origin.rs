//! An origin over plain HTTP whose bandwidth and delay a test changes while it runs.
//!
//! It serves the files below a folder by GET (with Range) and HEAD, counts what it sends to whom, and
//! tells which requests waited for one another.
//! The limit is one for all connections together, as that of a link would be. It keeps no more than a
//! piece of a file in memory, and ends with its owner.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What is sent at once, and waited for where the bandwidth is limited.
const PIECE: usize = 8 << 10;

/// The name under which the folder is served; without it, it is served too.
const NAME: &str = "sky";

/// A running origin.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

/// What was sent to someone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Served {
    /// Requests that were answered or refused.
    pub requests: u64,
    /// Bytes of files that went out.
    pub bytes: u64,
}

/// A request that was answered or refused.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// GET or HEAD.
    pub method: String,
    /// The path of its URL, without percent signs.
    pub path: String,
    /// Its range, as it was asked for.
    pub range: Option<String>,
    begun: Instant,
    answered: Instant,
}

/// The most requests of which each was made when the one before had been answered. They are told
/// apart from those that were made at once by the delay of the origin.
pub fn in_sequence<'a>(exchanges: impl IntoIterator<Item = &'a Exchange>) -> usize {
    let mut by_end: Vec<&Exchange> = exchanges.into_iter().collect();
    by_end.sort_by_key(|exchange| exchange.answered);
    let (mut count, mut end) = (0, None);
    for exchange in by_end {
        if end.is_none_or(|end| exchange.begun >= end) {
            (count, end) = (count + 1, Some(exchange.answered));
        }
    }
    count
}

#[derive(Debug)]
struct Shared {
    folder: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    bytes_per_second: Option<u64>,
    delay: Duration,
    refusing: bool,
    ended: bool,
    /// When the next piece may go out.
    free: Instant,
    served: BTreeMap<IpAddr, Served>,
    exchanges: Vec<Exchange>,
}

impl Origin {
    /// Serves a folder at an address, as fast as it can.
    ///
    /// # Panics
    /// When there is no port.
    pub fn serve(folder: &Path, address: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((address, 0)).expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state = State {
            bytes_per_second: None,
            delay: Duration::ZERO,
            refusing: false,
            ended: false,
            free: Instant::now(),
            served: BTreeMap::new(),
            exchanges: Vec::new(),
        };
        let folder = folder.canonicalize().expect("the folder is there");
        let state = Mutex::new(state);
        let shared = Arc::new(Shared { folder, state, changed: Condvar::new() });
        let for_all = Arc::clone(&shared);
        let accepting = std::thread::spawn(move || accept(&listener, &for_all));
        Self { address, shared, accepting: Some(accepting) }
    }

    /// Its address for `--origin`.
    pub fn url(&self) -> String {
        format!("http://{}/{NAME}", self.address)
    }

    /// Limits the bandwidth of all together, to nothing at all by 0; `None` lifts it.
    pub fn limit(&self, bytes_per_second: Option<u64>) {
        let mut state = self.shared.state();
        state.bytes_per_second = bytes_per_second;
        state.free = Instant::now();
        self.shared.changed.notify_all();
    }

    /// Lets every request wait before it is answered.
    pub fn delay(&self, delay: Duration) {
        self.shared.state().delay = delay;
        self.shared.changed.notify_all();
    }

    /// Refuses every request (503), or no longer.
    pub fn refuse(&self, refusing: bool) {
        self.shared.state().refusing = refusing;
    }

    /// The requests since the last call.
    pub fn take_exchanges(&self) -> Vec<Exchange> {
        std::mem::take(&mut self.shared.state().exchanges)
    }

    /// What was sent to an address.
    pub fn served_to(&self, address: Ipv4Addr) -> Served {
        let state = self.shared.state();
        state.served.get(&IpAddr::V4(address)).copied().unwrap_or_default()
    }

    /// What was sent to all.
    pub fn served(&self) -> Served {
        let state = self.shared.state();
        state.served.values().fold(Served::default(), |sum, one| Served {
            requests: sum.requests + one.requests,
            bytes: sum.bytes + one.bytes,
        })
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
        // Wakes the thread that accepts; connections end with their clients or at the next piece.
        // Where the address went before the origin, nobody can be woken.
        let woken = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).is_ok();
        if let Some(accepting) = self.accepting.take().filter(|_| woken) {
            let _ended = accepting.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        let waited = self.changed.wait_timeout(state, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits as long as requests wait.
    fn delayed(&self) {
        let begun = Instant::now();
        let mut state = self.state();
        while !state.ended && begun.elapsed() < state.delay {
            let rest = state.delay.saturating_sub(begun.elapsed());
            state = self.wait(state, rest);
        }
    }

    /// Waits until so many bytes may go out to someone; `false` when all is over.
    fn may_send(&self, bytes: usize, to: IpAddr) -> bool {
        let mut state = self.state();
        loop {
            if state.ended {
                return false;
            }
            let now = Instant::now();
            let time = match state.bytes_per_second {
                None => break,
                Some(0) => Duration::from_secs(3600),
                Some(_) if state.free <= now => break,
                Some(_) => state.free - now,
            };
            state = self.wait(state, time);
        }
        if let Some(rate) = state.bytes_per_second {
            state.free = Instant::now() + Duration::from_secs_f64(bytes as f64 / rate as f64);
        }
        state.served.entry(to).or_default().bytes += bytes as u64;
        true
    }

    /// The file that a path of a URL means, if there is one below the folder.
    fn file(&self, path: &str) -> Option<PathBuf> {
        let path = decoded(path.split('?').next()?);
        let below = path.trim_start_matches('/');
        let stripped = below.strip_prefix(NAME).and_then(|rest| rest.strip_prefix('/'));
        [Some(below), stripped].into_iter().flatten().find_map(|below| {
            let plain = Path::new(below).components().all(|c| matches!(c, Component::Normal(_)));
            let file = self.folder.join(below);
            (plain && file.is_file()).then_some(file)
        })
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.state().ended {
            return;
        }
        let Ok(connection) = connection else { continue };
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            // A client that leaves is none of ours.
            let _over = converse(&connection, &shared);
        });
    }
}

/// Answers the requests of one connection, until its client closes it.
fn converse(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let peer = connection.peer_addr()?.ip();
    let mut reader = BufReader::new(connection);
    while let Some(request) = Request::read(&mut reader)? {
        let begun = Instant::now();
        shared.delayed();
        let refusing = {
            let mut state = shared.state();
            state.served.entry(peer).or_default().requests += 1;
            let Request { method, path, range } = request.clone();
            let path = decoded(&path);
            let answered = Instant::now();
            state.exchanges.push(Exchange { method, path, range, begun, answered });
            state.refusing
        };
        if refusing {
            respond(connection, "503 Service Unavailable", &[])?;
            continue;
        }
        match (request.method.as_str(), shared.file(&request.path)) {
            ("GET" | "HEAD", Some(file)) => send(connection, &request, &file, (shared, peer))?,
            ("GET" | "HEAD", None) => respond(connection, "404 Not Found", &[])?,
            _ => respond(connection, "405 Method Not Allowed", &[])?,
        }
    }
    Ok(())
}

fn send(
    mut connection: &TcpStream,
    request: &Request,
    path: &Path,
    (shared, peer): (&Shared, IpAddr),
) -> io::Result<()> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let part = match &request.range {
        None => 0..length,
        Some(range) => match range_of(range, length) {
            Some(part) => part,
            None => return respond(connection, "416 Range Not Satisfiable", &[]),
        },
    };
    let status = if request.range.is_some() { "206 Partial Content" } else { "200 OK" };
    let size = part.end - part.start;
    let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {size}\r\n");
    let last = part.end.saturating_sub(1);
    if request.range.is_some() {
        let _infallible = write!(head, "Content-Range: bytes {}-{last}/{length}\r\n", part.start);
    }
    // Nothing here is ever changed.
    head.push_str("Last-Modified: Sat, 21 Nov 2026 00:00:00 GMT\r\n");
    let _infallible = write!(head, "ETag: \"{length:x}\"\r\nAccept-Ranges: bytes\r\n\r\n");
    connection.write_all(head.as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    file.seek(SeekFrom::Start(part.start))?;
    let mut rest = file.take(size);
    let mut piece = vec![0; PIECE];
    loop {
        let read = rest.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        if !shared.may_send(read, peer) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        connection.write_all(&piece[..read])?;
    }
}

fn respond(mut connection: &TcpStream, status: &str, headers: &[&str]) -> io::Result<()> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    write!(connection, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n{headers}\r\n")
}

/// The head of a request; those that are answered have no body.
#[derive(Debug, Clone)]
struct Request {
    method: String,
    path: String,
    range: Option<String>,
}

impl Request {
    /// None when the client has closed.
    fn read(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Self>> {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut range = None;
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header)? == 0 || header.trim_end().is_empty() {
                return Ok(Some(Self { method, path, range }));
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("range")
            {
                range = Some(value.trim().to_owned());
            }
        }
    }
}

/// The bytes that one range of a `Range` header means.
fn range_of(text: &str, length: u64) -> Option<Range<u64>> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (from, to) = (from.parse::<u64>().ok(), to.parse::<u64>().ok());
    let part = match (from, to) {
        (Some(from), Some(to)) => from..(to + 1).min(length),
        (Some(from), None) => from..length,
        (None, Some(last)) => length.saturating_sub(last)..length,
        (None, None) => return None,
    };
    (part.start < part.end).then_some(part)
}

/// A path without its percent signs.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code = code.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::{Duration, Instant};

    use reqwest::blocking::Client;

    use super::{Origin, in_sequence, range_of};

    #[test]
    fn ranges_are_read_as_http_has_them() {
        assert_eq!(range_of("bytes=2-4", 10), Some(2..5));
        assert_eq!(range_of("bytes=2-", 10), Some(2..10));
        assert_eq!(range_of("bytes=-3", 10), Some(7..10));
        assert_eq!(range_of("bytes=5-99", 10), Some(5..10));
        assert_eq!(range_of("bytes=10-", 10), None);
        assert_eq!(range_of("bytes=-", 10), None);
    }

    #[test]
    fn files_come_whole_in_parts_and_at_the_speed_that_was_set() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(folder.path().join("Norder=0")).expect("a folder is made");
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(folder.path().join("Norder=0/x"), &bytes).expect("a file is written");
        let origin = Origin::serve(folder.path(), Ipv4Addr::LOCALHOST);
        let url = format!("{}/Norder%3D0/x", origin.url());
        let client = Client::new();
        let get = |range: &str| {
            let reply = client.get(&url).header("range", range).send().expect("an answer");
            (reply.status().as_u16(), reply.bytes().expect("a body").to_vec())
        };
        assert_eq!(get("bytes=4-7"), (206, vec![1, 0, 0, 0]));
        let whole = client.get(&url).send().expect("an answer").bytes().expect("a body");
        assert!(whole == bytes);
        let head = client.head(&url).send().expect("an answer");
        assert_eq!(head.headers()["content-length"], "400000");
        let absent = client.get(format!("{}/../x", origin.url())).send().expect("an answer");
        assert_eq!(absent.status(), 404);
        assert_eq!(origin.served().bytes, 400_004);
        origin.limit(Some(200_000));
        let begun = Instant::now();
        assert_eq!(get("bytes=0-199999").0, 206);
        assert!(begun.elapsed() > Duration::from_millis(800), "{:?}", begun.elapsed());
        origin.limit(None);
        origin.refuse(true);
        assert_eq!(get("bytes=0-1").0, 503);
        assert_eq!(origin.served_to(Ipv4Addr::LOCALHOST), origin.served());
        assert_eq!(origin.served().requests, 6);
        origin.refuse(false);
        origin.delay(Duration::from_millis(30));
        let _before = origin.take_exchanges();
        for _ in 0..2 {
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| get("bytes=0-1"));
                }
            });
        }
        let exchanges = origin.take_exchanges();
        assert_eq!((exchanges.len(), in_sequence(&exchanges)), (6, 2));
    }
}
