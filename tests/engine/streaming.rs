//! How documents stream: the same bytes on any number of cores, in order, not ahead of their reader,
//! and nothing left when the reader goes.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coordinator::format::gzip::compressed;
use coordinator::format::{Document, Format, encode};
use datafusion::arrow::array::*;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::runtime::{Builder, Runtime};

use crate::arrow_columns::batch;
use crate::votable_format::{columns, rows};

pub(crate) const FORMATS: [Format; 7] = [
    Format::VoTableTableData,
    Format::VoTableBinary,
    Format::VoTableBinary2,
    Format::Csv,
    Format::Tsv,
    Format::Text,
    Format::Parquet,
];

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().build().expect("a runtime")
}

fn many_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(7).enable_time().build().expect("a runtime")
}

/// Numbers, and texts of every length up to 40 characters.
fn numbered(count: i64) -> RecordBatch {
    let numbers = Int64Array::from_iter_values(0..count);
    let halves: Float64Array = (0..count).map(|n| (n % 7 > 0).then_some(n as f64 / 2.0)).collect();
    let words: StringViewArray = (0..count)
        .map(|n| (n % 5 > 0).then(|| "é🌌x".repeat(usize::try_from(n % 13).unwrap_or_default())))
        .collect();
    batch(vec![("n", Arc::new(numbers)), ("half", Arc::new(halves)), ("word", Arc::new(words))])
}

fn document(schema: &Schema, max_rows: Option<u64>) -> Document {
    Document { columns: columns(schema), infos: Vec::new(), max_rows }
}

/// A batch in batches of so many rows.
fn cut(whole: &RecordBatch, rows: usize) -> Vec<Result<RecordBatch, DataFusionError>> {
    let all = whole.num_rows();
    (0..all).step_by(rows).map(|at| Ok(whole.slice(at, rows.min(all - at)))).collect()
}

fn bytes_of(runtime: &Runtime, format: Format, whole: &RecordBatch, cut_after: usize) -> Vec<u8> {
    let schema = whole.schema();
    let stream = encode(format, document(&schema, None), rows(&schema, cut(whole, cut_after)));
    runtime.block_on(stream.map_ok(|chunk| chunk.to_vec()).try_concat()).expect("it is written")
}

#[test]
fn bytes_depend_on_neither_threads_nor_batches() {
    let whole = numbered(150_000);
    let (one, many) = (one_thread(), many_threads());
    for format in FORMATS {
        let expected = bytes_of(&one, format, &whole, 8_192);
        assert!(expected.len() > 1 << 20, "{format:?}: {} bytes", expected.len());
        for (runtime, cut_after) in
            [(&many, 8_192), (&many, 150_000), (&one, 150_000), (&many, 997), (&one, 31)]
        {
            let got = bytes_of(runtime, format, &whole, cut_after);
            assert!(got == expected, "{format:?} in batches of {cut_after} rows differs");
        }
    }
}

#[test]
fn a_million_rows_keep_their_order() {
    let whole = batch(vec![("n", Arc::new(Int64Array::from_iter_values(0..1_000_000)))]);
    let text = bytes_of(&many_threads(), Format::Csv, &whole, 8_192);
    let text = String::from_utf8(text).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("n"));
    let mut count = 0;
    for line in lines {
        assert_eq!(line.parse::<u32>(), Ok(count));
        count += 1;
    }
    assert_eq!(count, 1_000_000);
}

#[test]
fn the_first_rows_leave_before_the_next_batch_is_there() {
    let first = numbered(5);
    let schema = first.schema();
    for format in [Format::VoTableBinary2, Format::VoTableTableData, Format::Csv, Format::Tsv] {
        let stream = futures::stream::iter([Ok(first.clone())]).chain(futures::stream::pending());
        let stream = Box::pin(RecordBatchStreamAdapter::new(Arc::clone(&schema), stream));
        let mut chunks = Box::pin(encode(format, document(&schema, None), stream));
        let wait = async { tokio::time::timeout(Duration::from_secs(20), chunks.next()).await };
        let chunk = one_thread().block_on(wait).expect("it comes").expect("a chunk").unwrap();
        assert!(chunk.len() > 30, "{format:?}: {chunk:?}");
    }
}

#[test]
fn a_limit_cuts_in_the_middle_of_a_chunk() {
    let whole = numbered(100_000);
    let schema = whole.schema();
    for max_rows in [1, 63, 64, 65, 8_191, 8_192, 8_193, 54_321, 99_999, 100_000, 100_001] {
        let stream = rows(&schema, cut(&whole, 8_192));
        let stream = encode(Format::VoTableTableData, document(&schema, Some(max_rows)), stream);
        let text = many_threads().block_on(stream.map_ok(|c| c.to_vec()).try_concat()).unwrap();
        let text = String::from_utf8(text).unwrap();
        let written = usize::try_from(max_rows.min(100_000)).unwrap();
        assert_eq!(text.matches("<TR>").count(), written);
        assert!(text.contains(&format!("<TR><TD>{}</TD>", written - 1)));
        assert_eq!(text.contains("OVERFLOW"), max_rows < 100_000, "MAXREC={max_rows}");
    }
}

#[test]
fn rows_before_a_failure_are_all_there() {
    let whole = numbered(50_000);
    let schema = whole.schema();
    let mut batches = cut(&whole, 8_192);
    batches.push(Err(DataFusionError::Execution("tile 5/3 is gone".to_owned())));
    batches.extend(cut(&whole, 8_192));
    for format in FORMATS {
        let batches = batches.iter().map(|batch| match batch {
            Ok(batch) => Ok(batch.clone()),
            Err(error) => Err(DataFusionError::Execution(error.message().into_owned())),
        });
        let stream = rows(&schema, batches.collect());
        let stream = encode(format, document(&schema, None), stream);
        let chunks: Vec<_> = many_threads().block_on(stream.collect());
        let failures = chunks.iter().filter(|chunk| chunk.is_err()).count();
        assert_eq!(failures, usize::from(!format.is_votable()), "{format:?}");
        let text: Vec<u8> = chunks.into_iter().filter_map(Result::ok).flatten().collect();
        if format == Format::Csv {
            assert_eq!(text.iter().filter(|byte| **byte == b'\n').count(), 50_001);
        }
        if format == Format::VoTableTableData {
            let text = String::from_utf8(text).unwrap();
            assert_eq!(text.matches("<TR>").count(), 50_000);
            assert!(text.contains("tile 5/3 is gone"), "{}", &text[text.len() - 300..]);
        }
    }
}

/// Batches without end; counts those that were asked for, and itself while it lives.
struct Endless {
    batch: RecordBatch,
    asked: Arc<AtomicUsize>,
    _alive: Arc<()>,
}

impl Endless {
    fn stream(self) -> SendableRecordBatchStream {
        let schema: SchemaRef = self.batch.schema();
        let stream = futures::stream::unfold(self, |endless| async move {
            endless.asked.fetch_add(1, Ordering::Relaxed);
            Some((Ok(endless.batch.clone()), endless))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, stream))
    }
}

fn endless(batch: RecordBatch) -> (SendableRecordBatchStream, Arc<AtomicUsize>, Arc<()>) {
    let (asked, alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(()));
    let stream = Endless { batch, asked: Arc::clone(&asked), _alive: Arc::clone(&alive) };
    (stream.stream(), asked, alive)
}

/// Waits until no thread of a runtime has anything to do, and nothing is on its way to one: what it
/// does by itself is done, as long as nobody polls.
fn settle(runtime: &Runtime) {
    let (metrics, begun) = (runtime.metrics(), Instant::now());
    // An odd count is that of a thread that sleeps.
    let sleeps = |thread| metrics.worker_park_unpark_count(thread) % 2 == 1;
    while metrics.global_queue_depth() > 0 || !(0..metrics.num_workers()).all(sleeps) {
        assert!(begun.elapsed() < Duration::from_secs(30), "it never comes to rest");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn only_a_few_batches_are_fetched_ahead_of_the_reader() {
    let whole = numbered(8_192);
    let schema = whole.schema();
    for format in FORMATS {
        let (stream, asked, _alive) = endless(whole.clone());
        let runtime = many_threads();
        runtime.block_on(async {
            let mut chunks = Box::pin(encode(format, document(&schema, None), stream));
            settle(&runtime);
            assert_eq!(asked.load(Ordering::Relaxed), 0, "{format:?}: nobody has read yet");
            let mut sent = 0;
            while sent < 4 << 20 {
                sent += chunks.next().await.expect("there is more").expect("a chunk").len();
            }
            // Nobody reads.
            settle(&runtime);
            let asked = asked.load(Ordering::Relaxed);
            // A batch makes at least 250 kB of a document; of Parquet, whole row groups are open.
            let most = sent / 250_000 + if format == Format::Parquet { 250 } else { 30 };
            assert!(asked <= most, "{format:?}: {asked} batches for {sent} bytes");
        });
    }
}

#[test]
fn dropping_a_document_ends_all_of_its_work() {
    let whole = numbered(8_192);
    let schema = whole.schema();
    for format in FORMATS {
        for zipped in [false, true] {
            let (stream, _asked, alive) = endless(whole.clone());
            let runtime = many_threads();
            runtime.block_on(async {
                let chunks = encode(format, document(&schema, None), stream);
                let mut chunks: std::pin::Pin<Box<dyn Stream<Item = bool>>> = if zipped {
                    Box::pin(compressed(chunks).map(|chunk| chunk.is_ok()))
                } else {
                    Box::pin(chunks.map(|chunk| chunk.is_ok()))
                };
                for _ in 0..2 {
                    assert_eq!(chunks.next().await, Some(true), "{format:?}");
                }
                assert!(runtime.metrics().num_alive_tasks() > 0, "{format:?} works in tasks");
                drop(chunks);
                for _ in 0..500 {
                    if runtime.metrics().num_alive_tasks() == 0 {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                assert_eq!(runtime.metrics().num_alive_tasks(), 0, "{format:?}");
                assert_eq!(Arc::strong_count(&alive), 1, "{format:?}: the query is dropped");
            });
        }
    }
}

/// What `gzip -dc` makes of bytes.
fn unzipped(bytes: Vec<u8>) -> Vec<u8> {
    let mut gzip = Command::new("gzip");
    let gzip = gzip.arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut gzip = gzip.expect("gzip starts");
    let mut stdin = gzip.stdin.take().expect("stdin is piped");
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = gzip.wait_with_output().expect("gzip ends");
    writer.join().expect("no panic").expect("gzip reads all");
    assert!(output.status.success(), "gzip ended with {}", output.status);
    output.stdout
}

#[test]
fn gzip_gives_the_same_document() {
    let whole = numbered(60_000);
    let schema = whole.schema();
    for format in [Format::VoTableTableData, Format::VoTableBinary2, Format::Csv] {
        let plain = bytes_of(&one_thread(), format, &whole, 8_192);
        for runtime in [one_thread(), many_threads()] {
            for rows_in_batch in [7, 8_192, 60_000] {
                let batches = cut(&whole, rows_in_batch);
                let stream = encode(format, document(&schema, None), rows(&schema, batches));
                let zipped = compressed(stream).map_ok(|chunk| chunk.to_vec()).try_concat();
                let zipped = runtime.block_on(zipped).expect("it is compressed");
                assert!(zipped.len() * 10 < plain.len() * 9, "{format:?}: {}", zipped.len());
                assert!(unzipped(zipped) == plain, "{format:?}");
            }
        }
    }
}

#[test]
fn gzip_of_nothing_and_of_an_error() {
    let empty = futures::stream::empty::<Result<Vec<u8>, DataFusionError>>();
    let empty = compressed(empty.map_ok(Into::into)).map_ok(|chunk| chunk.to_vec()).try_concat();
    assert_eq!(unzipped(one_thread().block_on(empty).unwrap()), b"");
    let error = || Err(DataFusionError::Execution("broken".to_owned()));
    let broken = futures::stream::iter([Ok(vec![1; 300_000]), Ok(vec![2; 10]), error()]);
    let chunks = compressed(broken.map_ok(Into::into)).collect::<Vec<_>>();
    let chunks = one_thread().block_on(chunks);
    let (last, others) = chunks.split_last().unwrap();
    assert!(last.is_err() && !others.is_empty() && others.iter().all(Result::is_ok));
}
