//! Import of Parquet files into HATS, beside hats-import and ACID on the same files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;

/// What `import` is told.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Folder of Parquet files (`bench/import_peer.py make` makes one)
    #[arg(long, value_name = "DIR")]
    input: PathBuf,
    /// Folder for what is written; each run's table is removed after it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Columns of the position
    #[arg(long, value_name = "RA,DEC", default_value = "ra,dec")]
    position: String,
    /// Width of the margin in arcseconds
    #[arg(long, default_value_t = 10.0)]
    margin: f64,
    /// The column of the id index
    #[arg(long, value_name = "COLUMN", default_value = "objectId")]
    index: String,
    /// Memory of our import, as its own flag takes it
    #[arg(long, value_name = "BYTES")]
    memory: Option<String>,
    /// A Python that has hats-import; without it, it is left out
    #[arg(long, value_name = "FILE")]
    python: Option<PathBuf>,
    /// The program `acid` (`PyPI`: pyacid); without it, it is left out. It makes neither margin nor id index
    #[arg(long, value_name = "FILE")]
    acid: Option<PathBuf>,
    /// The release binary
    #[arg(long, value_name = "FILE", default_value = "target/release/armilla")]
    binary: PathBuf,
    /// How often each is run, in turn
    #[arg(long, default_value_t = 3)]
    runs: usize,
}

/// One run of a program.
struct Run {
    took: Duration,
    /// Of the process that was started; programs of several processes take more.
    peak_bytes: u64,
    written_bytes: u64,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let (ra, dec) = options.position.split_once(',').context("--position is RA,DEC")?;
    let out = options.out.join("bench-import");
    let margin = options.margin.to_string();
    let mut programs: Vec<(&str, Command)> = Vec::new();
    let binary = options.binary.canonicalize().context("the release binary")?;
    let mut ours = Command::new(binary);
    ours.arg("import").arg(&options.input).arg("--out").arg(out.join("s/table"));
    ours.args(["--ra", ra, "--dec", dec, "--margin", &margin, "--index", &options.index]);
    ours.args(options.memory.iter().flat_map(|memory| ["--memory", memory]));
    programs.push(("armilla", ours));
    if let Some(acid) = &options.acid {
        let mut command = Command::new(acid);
        command.args(["import", "parquet", "--progress", "off", "--skymap-style", "off"]);
        // Of files without `_healpix_29` it makes no margin: version 0.6 ends with an error.
        command.args(["--ra", ra, "--dec", dec, "--no-margin", "--out"]);
        command.arg(out.join("table")).arg(&options.input);
        programs.push(("acid", command));
    }
    if let Some(python) = &options.python {
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("import_peer.py")).arg("hats");
        command.arg(&options.input).arg(&out).args([ra, dec, &options.index, &margin]);
        programs.push(("hats-import", command));
    }
    let mut medians = Vec::new();
    let mut all: Vec<Vec<Run>> = programs.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.runs {
        for ((name, command), runs) in programs.iter_mut().zip(&mut all) {
            runs.push(timed(name, command, &out)?);
        }
    }
    for ((name, _), mut runs) in programs.iter().zip(all) {
        runs.sort_by_key(|run| run.took);
        let middle = runs.get(runs.len() / 2).context("--runs is 0")?;
        let mib = |bytes: u64| bytes / (1 << 20);
        say(&format!(
            "{name}: median {:.1} s ({} runs), peak {} MiB, {} MiB written",
            middle.took.as_secs_f64(),
            runs.len(),
            mib(runs.iter().map(|run| run.peak_bytes).max().unwrap_or_default()),
            mib(middle.written_bytes),
        ));
        medians.push((*name, middle.took));
    }
    for (name, took) in medians.iter().skip(1) {
        let ratio = medians[0].1.as_secs_f64() / took.as_secs_f64();
        say(&format!("armilla / {name}: {ratio:.3}"));
    }
    Ok(())
}

fn timed(name: &str, command: &mut Command, out: &Path) -> Result<Run> {
    fs::create_dir_all(out)?;
    // The disk is not busy with the run before.
    Command::new("sync").status().context("sync")?;
    let begun = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("starting")?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak_bytes = 0;
    let ended = loop {
        // The peak so far; at its end a process has none.
        peak_bytes = peak(&status).unwrap_or(peak_bytes);
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let took = begun.elapsed();
    ensure!(ended.success(), "{name} ended with {ended}");
    let written_bytes = size(out)?;
    fs::remove_dir_all(out)?;
    Ok(Run { took, peak_bytes, written_bytes })
}

fn peak(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib * 1024)
}

fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let (path, data) = entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))?;
        bytes += if data.is_dir() { size(&path)? } else { data.len() };
    }
    Ok(bytes)
}

#[expect(clippy::print_stdout, reason = "a report to the person who asked for it")]
fn say(line: &str) {
    println!("{line}");
}
