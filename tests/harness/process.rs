//! One server process: started, awaited until it says `ready:`, killed when its owner goes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tempfile::{NamedTempFile, TempDir};

use crate::places;

/// A server may be slow to start (it copies its tiles first), but not slower than this.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// A running server of the binary.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: NamedTempFile,
    url: String,
    metrics: Option<String>,
    /// Its jobs, where it was not told to keep them elsewhere.
    _state: Option<TempDir>,
}

/// Why a server did not come up.
#[derive(Debug)]
pub struct NotReady {
    /// What it wrote to stderr.
    pub log: String,
    /// How it ended; `None` when it was still running when the time was over.
    pub status: Option<ExitStatus>,
}

/// The binary with arguments, as a process that dies with the thread that starts it.
pub fn armilla<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = dying_with_us();
    command.arg(places::binary()).args(arguments);
    command
}

/// Runs the binary to its end.
///
/// # Panics
/// When it cannot be started.
pub fn run_armilla<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    armilla(arguments).stdin(Stdio::null()).output().expect("the binary starts")
}

/// `setpriv --pdeathsig KILL --`, so that an aborted test leaves no server; `env` where it is absent.
fn dying_with_us() -> Command {
    static SETPRIV: OnceLock<bool> = OnceLock::new();
    let with_setpriv = *SETPRIV.get_or_init(|| {
        let mut probe = Command::new("setpriv");
        probe.args(["--pdeathsig", "KILL", "--", "true"]).output().is_ok_and(|o| o.status.success())
    });
    if !with_setpriv {
        return Command::new("env");
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]);
    command
}

impl Server {
    /// Starts a server and waits for its line `ready: URL`.
    ///
    /// # Errors
    /// What it said, when it ended or was silent for too long.
    pub fn start(command: &mut Command) -> Result<Self, NotReady> {
        Starting::launch(command).ready()
    }

    fn await_ready(&mut self, lines: &Receiver<String>) -> Result<(), Option<ExitStatus>> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(url) = line.strip_prefix("metrics: ") {
                        self.metrics = Some(url.trim().to_owned());
                    } else if let Some(url) = line.strip_prefix("ready: ") {
                        url.trim().clone_into(&mut self.url);
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Timeout) => return Err(None),
                Err(RecvTimeoutError::Disconnected) => return Err(self.child.wait().ok()),
            }
        }
    }

    /// `armilla serve` on a folder, with further flags; without `--state`, its jobs go with it.
    ///
    /// # Panics
    /// With what it said, when it does not start.
    pub fn serve(data: &std::path::Path, flags: &[&str]) -> Self {
        let mut command = armilla(["serve", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(data).args(flags);
        let state = (!flags.contains(&"--state")).then(|| {
            let state = TempDir::with_prefix("armilla-state-").expect("a temporary folder");
            command.arg("--state").arg(state.path());
            state
        });
        let mut server =
            Self::start(&mut command).unwrap_or_else(|e| panic!("serve did not start: {e:?}"));
        server._state = state;
        server
    }

    /// Ends it in good order (SIGTERM).
    ///
    /// # Panics
    /// When it cannot be told.
    pub fn terminate(mut self) -> Option<ExitStatus> {
        self.signal("-TERM");
        self.child.wait().ok()
    }

    /// Ends it at once, as the loss of its machine would.
    ///
    /// # Panics
    /// When it has ended already: a fault that nobody meant.
    pub fn kill(mut self) {
        assert_eq!(self.ended(), None, "it ended by itself: {}", self.log());
        drop(self);
    }

    /// Tells a service to read its tables anew (SIGHUP).
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// Freezes it (SIGSTOP): its connections stay, and nobody answers.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on (SIGCONT).
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let told = Command::new("kill").args([name, &self.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "the signal is sent");
    }

    /// How many files and connections it has open.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).map_or(0, Iterator::count)
    }

    /// The address that it announced.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of its metrics: announced, or `/metrics` of its HTTP port.
    pub fn metrics_url(&self) -> String {
        self.metrics.clone().unwrap_or_else(|| {
            let base = self.url.trim_end_matches('/').trim_end_matches("/tap");
            format!("{base}/metrics")
        })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to stderr so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// How it ended, when it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

/// A server that was started and has not yet said that it is ready.
#[derive(Debug)]
pub struct Starting {
    server: Server,
    lines: Receiver<String>,
}

impl Starting {
    /// Starts the process and does not wait.
    pub fn launch(command: &mut Command) -> Self {
        let log = NamedTempFile::new().expect("a temporary file for the log");
        let stderr = log.reopen().expect("the log opens a second time");
        let mut child = spawn(command, stderr);
        let stdout = child.stdout.take().expect("stdout is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || forward(stdout, &sender));
        let server = Server { child, log, url: String::new(), metrics: None, _state: None };
        Self { server, lines }
    }

    /// Waits for its line `ready: URL`.
    ///
    /// # Errors
    /// What it said, when it ended or was silent for too long.
    pub fn ready(mut self) -> Result<Server, NotReady> {
        match self.server.await_ready(&self.lines) {
            Ok(()) => Ok(self.server),
            Err(status) => Err(NotReady { log: self.server.log(), status }),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after this.
        let _killed = self.child.kill();
        let _status = self.child.wait();
    }
}

fn spawn(command: &mut Command, stderr: File) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"))
}

/// Sends the lines of a process until it closes its stdout; a receiver that left does not stop the reading.
fn forward(stdout: ChildStdout, lines: &Sender<String>) {
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let _heard = lines.send(line);
    }
}
