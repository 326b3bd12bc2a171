//! Arrow IPC of strangers: what a message claims is held against what it has.

use std::fs;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use datafusion::arrow::ipc::CompressionType;
use datafusion::arrow::ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};

use crate::read::{ReadOptions, Unpacked};

fn batch() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Float64Array::from_iter_values((0..5000).map(f64::from)));
    let texts = (0..5000).map(|at| (at % 3 > 0).then(|| format!("text {}", at % 10)));
    let texts: ArrayRef = Arc::new(texts.collect::<StringArray>());
    RecordBatch::try_from_iter_with_nullable([("x", numbers, true), ("t", texts, true)]).unwrap()
}

fn stream(compression: Option<CompressionType>) -> Vec<u8> {
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let schema = batch().schema();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
    writer.write(&batch()).unwrap();
    writer.write(&batch()).unwrap();
    writer.into_inner().unwrap()
}

fn read(bytes: &[u8]) -> Result<super::Read, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("upload");
    fs::write(&file, bytes).unwrap();
    let unpacked = Some(Unpacked::at_most(1 << 20));
    super::read_file(&file, &ReadOptions { unpacked, ..ReadOptions::default() })
}

#[test]
fn batches_of_strangers_are_read_as_others() {
    let mut file = FileWriter::try_new(Vec::new(), &batch().schema()).unwrap();
    file.write(&batch()).unwrap();
    file.write(&batch()).unwrap();
    let whole = read(&stream(None)).unwrap();
    assert_eq!(whole.rows.len(), 10_000);
    assert_eq!(whole.column("x")[4_999], "4999.0");
    assert_eq!((whole.column("t")[5_000], whole.column("t")[9_999]), ("NULL", "text 9"));
    let files = [stream(Some(CompressionType::LZ4_FRAME)), file.into_inner().unwrap()];
    for bytes in files {
        assert_eq!(read(&bytes).unwrap().rows, whole.rows);
    }
}

/// Any number of a message may lie: the rows are those of the file, or an error; no memory is taken
/// for what is not there, or this test would end with its process.
#[test]
fn no_lie_of_a_message_takes_memory() {
    for compression in [None, Some(CompressionType::LZ4_FRAME)] {
        let bytes = stream(compression);
        for at in (0..bytes.len().min(2_400)).step_by(12) {
            for lie in [i64::MAX, -2, 1 << 40, 0x7fff_ffff] {
                let mut lying = bytes.clone();
                let end = (at + 8).min(lying.len());
                lying[at..end].copy_from_slice(&lie.to_le_bytes()[..end - at]);
                // Whether it is found out or no number was hit that counts.
                drop(read(&lying));
            }
        }
    }
    let bytes = stream(None);
    let header = i32::from_le_bytes(bytes[4..8].try_into().unwrap());
    let header = 8 + usize::try_from(header).unwrap();
    let said = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut lying = bytes.clone();
        change(&mut lying);
        read(&lying).map(|read| read.rows.len()).unwrap_err()
    };
    let long =
        said(&|bytes| bytes[header + 4..header + 8].copy_from_slice(&i32::MAX.to_le_bytes()));
    assert!(long.contains("the header of a message says that it has 2147483647 bytes"), "{long}");
    let short = said(&|bytes| bytes.truncate(bytes.len() / 2));
    assert!(short.contains("a message is cut short"), "{short}");
    let text = said(&|bytes| bytes[header + 8..header + 40].fill(0x55));
    assert!(text.contains("a header is none") || text.contains("damaged"), "{text}");
}
