//! What all scenarios share: a sky, the questions with their right answers, clusters on it, a crowd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tests::cluster::Plan;
use tests::crowd::{Crowd, Faults, Report};
use tests::metrics;
use tests::verdict::{Known, Question, Rows};
use tests::{Cluster, Server, Tap, places};

/// Objects of the sky; it has three to four times as many sources.
const OBJECTS: &str = "100000";

/// Within this, right answers come again after a fault: three failed polls, a deadline of a
/// connection, and the queries of eight clients on two cores.
pub(crate) const RECOVERY: Duration = Duration::from_secs(20);

/// The sky and what is known of it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) data: PathBuf,
    pub(crate) known: Vec<Known>,
    /// Rows of demo.source.
    pub(crate) sources: usize,
    _turn: MutexGuard<'static, ()>,
}

/// How long a scenario lasts.
pub(crate) fn seconds() -> u32 {
    let given = std::env::var("TEST_FAULT_SECONDS").ok();
    given.map_or(60, |text| text.parse().expect("TEST_FAULT_SECONDS is a number"))
}

/// A part of the time of a scenario, in hundredths.
pub(crate) fn part(hundredths: u32) -> Duration {
    Duration::from_secs(u64::from(seconds())) * hundredths / 100
}

/// Lets time pass in which a fault lasts.
pub(crate) fn pass(hundredths: u32) {
    std::thread::sleep(part(hundredths));
}

impl Scene {
    /// The sky, for one scenario at a time; none, and a word, where faults are not asked for:
    /// together they take the machine for twenty minutes.
    pub(crate) fn take() -> Option<Self> {
        if std::env::var_os("TEST_FAULTS").is_none_or(|wanted| wanted.is_empty()) {
            places::tell("NOT TESTED: what users see while machines fail; TEST_FAULTS=1 runs it");
            return None;
        }
        static TURN: Mutex<()> = Mutex::new(());
        static SKY: OnceLock<(PathBuf, Vec<Known>, usize)> = OnceLock::new();
        // A scenario that failed leaves nothing to the next.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (data, known, sources) = SKY.get_or_init(|| {
            let data = make_sky();
            let server = Server::serve(&data, &[]);
            let tap = Tap::new(server.url());
            let known = questions(&tap).into_iter().map(|question| question.known_by(&tap));
            let sources = tap.query("SELECT COUNT(*) AS n FROM demo.source");
            let sources = sources.expect("one process answers");
            let sources = sources.single().and_then(|count| count.parse().ok());
            (data, known.collect(), sources.expect("a count"))
        });
        let (data, known) = (data.clone(), known.clone());
        Some(Self { data, known, sources: *sources, _turn: turn })
    }

    /// Three workers that hold every tile twice and reach the data over HTTP.
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            data: self.data.clone(),
            workers: 3,
            over_http: true,
            spill: None,
            coordinator_flags: vec!["--replicas".to_owned(), "2".to_owned()],
            worker_flags: Vec::new(),
        }
    }

    pub(crate) fn cluster(&self) -> Cluster {
        Cluster::by(&self.plan())
    }

    /// The question of a name.
    pub(crate) fn question(&self, name: &str) -> &Known {
        let found = self.known.iter().find(|known| known.question.name == name);
        found.unwrap_or_else(|| panic!("no question is called {name}"))
    }

    /// Lets the crowd query while a script does something to a cluster.
    pub(crate) fn crowd(
        &self,
        name: &str,
        cluster: &mut Cluster,
        script: impl FnOnce(&mut Cluster, &Faults),
    ) -> Report {
        let (tap, workers) = (cluster.tap(), cluster.names());
        let crowd = Crowd { tap: &tap, known: &self.known, workers: &workers, time: part(100) };
        crowd.during(name, |faults| script(cluster, faults)).0
    }
}

/// The demo sky and the shared tables in one folder, which is removed by the next run of these
/// tests: statics are never dropped.
fn make_sky() -> PathBuf {
    const PREFIX: &str = "armilla-faults-";
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).and_then(|process| process.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            let _swept = fs::remove_dir_all(entry.path());
        }
    }
    let root = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
    let data = root.join("sky");
    fs::create_dir(&root).expect("a folder for this process");
    drop(Server::serve(&data, &["--demo-rows", OBJECTS]));
    if let Some(hats) = places::hats() {
        let copied = Command::new("cp").arg("-rL").arg(hats).arg(data.join("hats")).status();
        assert!(copied.is_ok_and(|status| status.success()), "the shared tables are copied");
        let opened = Command::new("chmod").args(["-R", "u+w,a+rX"]).arg(&root).status();
        assert!(opened.is_ok_and(|status| status.success()), "the copy is ours");
    }
    data
}

fn questions(tap: &Tap) -> Vec<Question> {
    let at = tap.query("SELECT TOP 1 ra, dec FROM demo.object ORDER BY objectId");
    let at = at.expect("one process answers");
    let (ra, dec) = (&at.rows[0][0], &at.rows[0][1]);
    let cone = |name, radius: f64| {
        let adql = format!(
            "SELECT objectId, ra, dec, nSources FROM demo.object \
             WHERE DISTANCE(ra, dec, {ra}, {dec}) < {radius}"
        );
        Question::new(name, Rows::Many, adql)
    };
    let mut questions = vec![
        cone("cone", 3.0),
        Question::new(
            "count",
            Rows::Unordered,
            "SELECT COUNT(*) AS n FROM demo.source WHERE psfFlux > 0",
        ),
        Question::new("stream", Rows::Many, "SELECT objectId, ra, dec, nSources FROM demo.object"),
        Question::new(
            "group",
            Rows::Unordered,
            "SELECT band, COUNT(*) AS n, MAX(psfFlux) AS hi, AVG(snr) AS a \
             FROM demo.source GROUP BY band",
        ),
        Question::new(
            "top",
            Rows::Ordered,
            "SELECT TOP 20 sourceId, psfFlux FROM demo.source WHERE psfFlux IS NOT NULL \
             ORDER BY psfFlux DESC, sourceId",
        ),
        Question::new(
            "join",
            Rows::Unordered,
            "SELECT COUNT(*) AS n, MAX(s.psfFlux) AS hi, SUM(o.nSources) AS t \
             FROM demo.source AS s JOIN demo.object AS o ON s.objectId = o.objectId \
             WHERE o.nSources > 2",
        ),
        cone("wide cone", 25.0),
        Question::new(
            "sky",
            Rows::Unordered,
            "SELECT COUNT(*) AS n, MIN(psfFlux) AS lo, MAX(psfFlux) AS hi, AVG(snr) AS a, \
             SUM(detector) AS d FROM demo.source",
        ),
    ];
    if places::hats().is_some() {
        questions.push(Question::new(
            "opengc",
            Rows::Unordered,
            "SELECT type, COUNT(*) AS n, MAX(b_mag) AS hi FROM hats.opengc GROUP BY type",
        ));
    }
    questions
}

/// A sum of samples of a worker's metrics.
pub(crate) fn gauge(server: &Server, metric: &str, label: &str) -> u64 {
    let text = metrics::read(&server.metrics_url());
    metrics::sum(&text.unwrap_or_else(|e| panic!("no metrics: {e}")), metric, label)
}

/// The sum of a metric over all workers that run.
pub(crate) fn total(cluster: &Cluster, metric: &str) -> u64 {
    cluster.workers().iter().map(|worker| gauge(worker, metric, "")).sum()
}

/// Asks until the answer is yes, and tells how long that took.
pub(crate) fn wait_until(
    what: &str,
    timeout: Duration,
    question: impl FnMut() -> bool,
) -> Duration {
    let begun = Instant::now();
    assert!(metrics::eventually(timeout, question), "not within {timeout:?}: {what}");
    begun.elapsed()
}
