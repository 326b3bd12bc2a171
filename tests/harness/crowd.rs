//! Clients that query without a pause while something goes wrong, and the count of what they got.

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Tap;
use crate::places::tell;
use crate::verdict::{Known, Verdict};

/// How many clients query at once.
const CLIENTS: usize = 8;

/// How many complaints a report holds in full.
const SHOWN: usize = 5;

/// One answer.
#[derive(Debug)]
struct Event {
    begun: Instant,
    ended: Instant,
    question: &'static str,
    verdict: Verdict,
}

/// What a crowd is asked to do.
#[derive(Debug)]
pub struct Crowd<'a> {
    /// The service.
    pub tap: &'a Tap,
    /// The queries, each client begins with another.
    pub known: &'a [Known],
    /// What an error must hold one of: the addresses of workers.
    pub workers: &'a [String],
    /// How long it queries at least.
    pub time: Duration,
}

/// What a crowd got.
#[derive(Debug)]
pub struct Report {
    name: String,
    events: Vec<Event>,
    faults: Vec<Instant>,
    begun: Instant,
    ended: Instant,
}

/// When faults began: told by the script of a scenario while the crowd queries.
#[derive(Debug, Default)]
pub struct Faults {
    begun: Mutex<Vec<Instant>>,
}

impl Faults {
    /// Notes that a fault begins now.
    pub fn begin(&self) {
        if let Ok(mut begun) = self.begun.lock() {
            begun.push(Instant::now());
        }
    }
}

impl Crowd<'_> {
    /// Lets all clients query while a script runs, and until the time is over.
    pub fn during<T>(&self, name: &str, script: impl FnOnce(&Faults) -> T) -> (Report, T) {
        let (over, faults, begun) = (AtomicBool::new(false), Faults::default(), Instant::now());
        let (events, result) = std::thread::scope(|scope| {
            let over = &over;
            let clients: Vec<_> =
                (0..CLIENTS).map(|client| scope.spawn(move || self.query(client, over))).collect();
            // Also when the script panics: the clients must end for the panic to be told.
            let end = EndOnDrop(over);
            let result = script(&faults);
            std::thread::sleep(self.time.saturating_sub(begun.elapsed()));
            drop(end);
            let ended = clients.into_iter().map(|client| client.join().expect("no panic"));
            (ended.flatten().collect(), result)
        });
        let faults = faults.begun.into_inner().unwrap_or_default();
        let name = name.to_owned();
        (Report { name, events, faults, begun, ended: Instant::now() }, result)
    }

    fn query(&self, client: usize, over: &AtomicBool) -> Vec<Event> {
        let mut events = Vec::new();
        let mut questions = self.known.iter().cycle().skip(client % self.known.len());
        while !over.load(Ordering::Relaxed) {
            let known = questions.next().expect("there are questions");
            let begun = Instant::now();
            let came = self.tap.ask(&known.question.adql);
            let ended = Instant::now();
            let verdict = known.judge(&came, self.workers);
            if matches!(verdict, Verdict::Broken(_)) {
                // A service that is not there refuses at once: ask again soon, not without end.
                std::thread::sleep(Duration::from_millis(50));
            }
            events.push(Event { begun, ended, question: known.question.name, verdict });
        }
        events
    }
}

struct EndOnDrop<'a>(&'a AtomicBool);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Report {
    fn count(&self, is: impl Fn(&Verdict) -> bool) -> usize {
        self.events.iter().filter(|event| is(&event.verdict)).count()
    }

    /// How many answers were right.
    pub fn right(&self) -> usize {
        self.count(|verdict| *verdict == Verdict::Right)
    }

    /// How many were clear errors.
    pub fn errors(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Error(_)))
    }

    fn right_events(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| event.verdict == Verdict::Right)
    }

    /// The longest time in which no client got a right answer.
    pub fn gap(&self) -> Duration {
        let mut ends: Vec<Instant> = self.right_events().map(|event| event.ended).collect();
        ends.extend([self.begun, self.ended]);
        ends.sort_unstable();
        ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// From each fault to the end of the next right answer that was begun after it; none when
    /// there was no such answer.
    pub fn recoveries(&self) -> Vec<Option<Duration>> {
        let after = |fault: &Instant| {
            let answers = self.right_events().filter(|event| event.begun >= *fault);
            answers.map(|event| event.ended).min().map(|ended| ended - *fault)
        };
        self.faults.iter().map(after).collect()
    }

    /// The longest time that a client waited for whatever it got.
    pub fn slowest(&self) -> Duration {
        self.events.iter().map(|event| event.ended - event.begun).max().unwrap_or_default()
    }

    /// Prints the line of the scenario, past the capture of tests.
    pub fn tell(&self) {
        tell(&self.to_string());
    }

    /// What is not as it must be: anything but right answers and clear errors.
    pub fn complaints(&self, may_break: bool) -> Vec<String> {
        let bad = self.events.iter().filter(|event| match &event.verdict {
            Verdict::Right | Verdict::Error(_) => false,
            Verdict::Broken(_) => !may_break,
            Verdict::Unclear(_) | Verdict::Wrong(_) | Verdict::Short(_) => true,
        });
        let tell = |event: &Event| {
            let at = (event.ended - self.begun).as_secs_f64();
            format!("{} at {at:.1} s: {:?}", event.question, event.verdict)
        };
        bad.take(SHOWN).map(tell).collect()
    }

    /// Fails the test unless every answer was right or a clear error, and right ones came again
    /// within a time after each fault.
    ///
    /// # Panics
    /// With the first complaints.
    pub fn check(&self, may_break: bool, recovery: Duration) {
        self.tell();
        let complaints = self.complaints(may_break);
        assert!(complaints.is_empty(), "{self}\n{}", complaints.join("\n"));
        assert!(self.right() > 0, "{self}");
        for recovered in self.recoveries() {
            assert!(recovered.is_some_and(|took| took <= recovery), "{self}: over {recovery:?}");
        }
    }

    /// The first clear errors.
    pub fn shown_errors(&self) -> Vec<&str> {
        let texts = self.events.iter().filter_map(|event| match &event.verdict {
            Verdict::Error(text) => Some(text.as_str()),
            _ => None,
        });
        texts.take(SHOWN).collect()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let broken = self.count(|verdict| matches!(verdict, Verdict::Broken(_)));
        let unclear = self.count(|verdict| matches!(verdict, Verdict::Unclear(_)));
        let wrong = self.count(|verdict| matches!(verdict, Verdict::Wrong(_)));
        let short = self.count(|verdict| matches!(verdict, Verdict::Short(_)));
        write!(f, "faults: {}: right {}, errors {}", self.name, self.right(), self.errors())?;
        write!(f, ", wrong {wrong}, short {short}, broken {broken}, unclear {unclear}")?;
        let gap = self.gap().as_secs_f64();
        write!(f, ", gap {gap:.1} s, slowest {:.1} s", self.slowest().as_secs_f64())?;
        for recovery in self.recoveries() {
            match recovery {
                Some(took) => write!(f, ", recovery {:.1} s", took.as_secs_f64())?,
                None => f.write_str(", no recovery")?,
            }
        }
        Ok(())
    }
}
