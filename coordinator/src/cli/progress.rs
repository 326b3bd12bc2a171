//! Progress on stderr: a bar where it is a terminal, lines in the log where it is none.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often the bar moves, at most.
const TICK: Duration = Duration::from_millis(100);
/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(10);

/// Shows how far a command is.
pub(super) struct Display {
    start: Instant,
    bar: Option<ProgressBar>,
    /// What was shown last, and when.
    shown: Mutex<(String, Option<Instant>)>,
}

impl Display {
    pub(super) fn new(start: Instant) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            // The default style is as good where the template is not.
            if let Ok(style) = ProgressStyle::with_template("{prefix:8} {bar:40} {percent}% {msg}")
            {
                bar.set_style(style);
            }
            bar
        });
        Self { start, bar, shown: Mutex::default() }
    }

    /// Shows how much of something is done, in words too, unless it was shown just now.
    pub(super) fn show(
        &self,
        what: &str,
        (done, total): (u64, u64),
        words: impl FnOnce(Instant) -> String,
    ) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let wait = if self.bar.is_some() { TICK } else { LINE };
        let since = shown.1.unwrap_or(self.start);
        if shown.0 == what && now.duration_since(since) < wait {
            return;
        }
        *shown = (what.to_owned(), Some(now));
        let words = words(now);
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(what.to_owned());
                bar.set_length(total);
                bar.set_position(done);
                bar.set_message(words);
            }
            None => tracing::info!(step = what, "{words}"),
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
