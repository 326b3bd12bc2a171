//! The release binary as real processes, which end with their owner.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

/// A service, and the workers behind it.
#[derive(Debug)]
pub(crate) struct Service {
    url: String,
    /// The service itself is the first.
    processes: Vec<Child>,
    _folder: TempDir,
}

impl Service {
    /// One process.
    pub(crate) fn serve(binary: &Path, data: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--data"]).arg(data);
        command.arg("--state").arg(folder.path().join("state"));
        let (process, url) = ready(command)?;
        Ok(Self { url, processes: vec![process], _folder: folder })
    }

    /// A coordinator and workers, which first copy their tiles.
    pub(crate) fn cluster(binary: &Path, data: &Path, workers: usize) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut urls = Vec::new();
        for _ in 0..workers {
            let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            urls.push(format!("http://127.0.0.1:{port}"));
        }
        let mut processes = Vec::new();
        for (nth, url) in urls.iter().enumerate() {
            let own = folder.path().join(nth.to_string());
            let mut command = Command::new(binary);
            command.args(["worker", "--log", "warn", "--fallback", "false", "--listen"]);
            command.arg(url.trim_start_matches("http://"));
            command.arg("--data").arg(own).arg("--origin").arg(data);
            processes.push(ready(command)?.0);
        }
        let mut command = Command::new(binary);
        command.args(["coordinator", "--listen", "127.0.0.1:0", "--log", "warn"]);
        // Each tile on one worker: what one process has, shared out.
        command.args(["--replicas", "1", "--small-table", "0"]);
        command.args(["--workers", &urls.join(","), "--data"]).arg(data);
        command.arg("--state").arg(folder.path().join("state"));
        let (process, url) = ready(command)?;
        processes.insert(0, process);
        // Else the disk would still be busy with the copies while queries are timed.
        Command::new("sync").status().context("sync")?;
        Ok(Self { url, processes, _folder: folder })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Forgets the peak memory of the service so far.
    pub(crate) fn reset_peak(&self) -> Result<()> {
        fs::write(format!("/proc/{}/clear_refs", self.id()), "5").context("resetting the peak")
    }

    /// The peak memory of the service since then.
    pub(crate) fn peak_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line.context("no VmHWM")?.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024)
    }

    fn id(&self) -> u32 {
        self.processes[0].id()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It may have ended by itself; either way it is gone after this.
            let _killed = process.kill();
            let _status = process.wait();
        }
    }
}

/// Starts a server and waits until it says that it is ready, and where.
fn ready(mut command: Command) -> Result<(Child, String)> {
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = process.stdout.take().context("stdout is piped")?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next().transpose()? {
        if let Some(url) = line.strip_prefix("ready: ") {
            return Ok((process, url.trim().to_owned()));
        }
    }
    bail!("{command:?} ended with {}", process.wait()?)
}
