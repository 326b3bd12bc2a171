//! The demo sky: what `serve` makes where its data folder holds nothing.
//!
//! The schema `demo` appears as a whole, when both of its tables are complete: a start that is
//! killed leaves only what is hidden, and the next one begins again. A folder that holds anything
//! else is never written into.

use std::fs;
use std::io::{ErrorKind, IsTerminal};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use catalog::Location;
use catalog::synthetic::{Content, Sky};
use catalog::write::{Progress, Staging, Step};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::Error;
use crate::config::{Rows, Settings};

/// Name of the schema.
const SCHEMA: &str = "demo";
/// Which of all synthetic skies it is.
const SEED: u64 = 20_260_417;
/// How often the bar moves, at most.
const TICK: Duration = Duration::from_millis(100);

/// Makes the demo sky if the data folder holds nothing.
pub(super) async fn make_where_empty(settings: &Settings) -> Result<(), Error> {
    let Rows(objects) = settings.require("demo_rows")?;
    let data: String = settings.require("data")?;
    let Ok(Location::Folder(folder)) = data.parse() else { return Ok(()) };
    if objects == 0 || !holds_nothing(&folder) {
        return Ok(());
    }
    let making = tokio::task::spawn_blocking(move || {
        make(&folder, objects)
            .map_err(|source| Error::Demo { folder: folder.display().to_string(), source })
    });
    making.await.map_err(|e| Error::Runtime(std::io::Error::other(e)))?
}

/// Whether a folder is empty but for what a killed start left, or is absent in one that is there.
fn holds_nothing(folder: &Path) -> bool {
    let leftovers = Staging::names(&folder.join(SCHEMA)).unwrap_or_default();
    match fs::read_dir(folder) {
        Ok(mut entries) => entries.all(|entry| {
            let name = entry.ok().and_then(|entry| entry.file_name().into_string().ok());
            name.is_some_and(|name| leftovers.contains(&name))
        }),
        Err(e) if e.kind() == ErrorKind::NotFound => match folder.parent() {
            Some(above) => above.as_os_str().is_empty() || above.is_dir(),
            None => false,
        },
        Err(_) => false,
    }
}

fn make(folder: &Path, objects: u64) -> Result<(), catalog::Error> {
    let start = Instant::now();
    tracing::info!(
        folder = %folder.display(), objects, seed = SEED,
        "the data folder holds nothing: making a demo sky in it"
    );
    let staging = Staging::begin(&folder.join(SCHEMA))?;
    let sky = Sky::new(objects, SEED);
    for (name, content) in [("object", Content::DemoObjects), ("source", Content::DemoSources)] {
        let teller = Teller::new(name);
        let table = staging.path().join(name);
        let made = sky.write(&content, &table, SCHEMA, &|progress| teller.tell(progress))?;
        teller.finish();
        let (rows, tiles, bytes) = (made.rows, made.tiles, made.bytes);
        tracing::info!(table = format!("{SCHEMA}.{name}"), rows, tiles, bytes, "made");
    }
    staging.commit()?;
    let seconds = start.elapsed().as_secs_f64();
    tracing::info!(seconds = format!("{seconds:.1}"), "the demo sky is complete");
    Ok(())
}

/// Shows progress: a bar on a terminal; the log has its lines anyway.
struct Teller {
    table: &'static str,
    bar: Option<ProgressBar>,
    /// The step that the bar shows, and when it moved.
    shown: Mutex<Option<(Step, Instant)>>,
}

impl Teller {
    fn new(table: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            // The default style is as good where the template is not.
            if let Ok(style) =
                ProgressStyle::with_template("{msg:32} {bar:40} {human_pos}/{human_len}")
            {
                bar.set_style(style);
            }
            bar
        });
        Self { table, bar, shown: Mutex::new(None) }
    }

    fn tell(&self, progress: Progress) {
        let Some(bar) = &self.bar else { return };
        let Progress { step, done, total } = progress;
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match &mut *shown {
            Some((last, moved)) if *last == step => {
                if now.duration_since(*moved) < TICK && done < total {
                    return;
                }
                *moved = now;
            }
            other => {
                *other = Some((step, now));
                let what = match step {
                    Step::Rows => "rows",
                    Step::Tiles => "tiles",
                    Step::Margins => "margins",
                    Step::Indexes => "indexes",
                };
                bar.set_message(format!("{SCHEMA}.{}: {what}", self.table));
            }
        }
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        bar.set_length(wide(total));
        bar.set_position(wide(done));
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
