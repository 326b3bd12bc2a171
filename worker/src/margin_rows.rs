//! Rows of margins, each once.
//!
//! A row near to several tiles is in the margin of each. Whether a margin has a row depends on the
//! position of the row alone, so all rows of a position, also of several that are equal, are taken
//! from the first file that has one of them.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::{cast, filter_record_batch};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation};

/// What a position takes in the table of all.
const POSITION_BYTES: usize = 32;

/// Positions with the file that their rows are taken from.
#[derive(Debug)]
pub(crate) struct FirstFiles {
    /// Right ascension and declination, as places in the rows.
    columns: [usize; 2],
    file_of: HashMap<[u64; 2], usize>,
    memory: MemoryReservation,
}

impl FirstFiles {
    pub(crate) fn new(columns: [usize; 2], pool: &Arc<dyn MemoryPool>) -> Self {
        let memory = MemoryConsumer::new("positions in margins").register(pool);
        Self { columns, file_of: HashMap::new(), memory }
    }

    /// The rows of a batch that no other file had before this one; those without a position, which
    /// are near to nothing, not at all.
    pub(crate) fn rows(&mut self, file: usize, batch: &RecordBatch) -> Result<RecordBatch> {
        let places = self.columns.map(|at| cast(batch.column(at), &DataType::Float64));
        let [ra, dec] = places;
        let (ra, dec) = (ra?, dec?);
        let (ra, dec) = (ra.as_primitive::<Float64Type>(), dec.as_primitive::<Float64Type>());
        let is_first = ra.iter().zip(dec).map(|place| {
            let (Some(ra), Some(dec)) = place else { return Some(false) };
            let first = self.file_of.entry([ra.to_bits(), dec.to_bits()]).or_insert(file);
            Some(*first == file)
        });
        let is_first: BooleanArray = is_first.collect();
        self.memory.try_resize(self.file_of.capacity() * POSITION_BYTES)?;
        Ok(filter_record_batch(batch, &is_first)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::arrow::array::{Array as _, ArrayRef, Float64Array, Int32Array, RecordBatch};
    use datafusion::execution::memory_pool::{MemoryPool, UnboundedMemoryPool};

    use super::FirstFiles;

    fn batch(rows: &[(i32, f64, f64)]) -> RecordBatch {
        let ids: Int32Array = rows.iter().map(|row| row.0).collect();
        let ra: Float64Array = rows.iter().map(|row| row.1).collect();
        let dec: Float64Array = rows.iter().map(|row| row.2).collect();
        let columns: [(&str, ArrayRef); 3] =
            [("id", Arc::new(ids)), ("ra", Arc::new(ra)), ("dec", Arc::new(dec))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn equal_rows_stay_and_copies_go() {
        let pool: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
        let mut first = FirstFiles::new([1, 2], &pool);
        let mut ids = |file: usize, rows: &[(i32, f64, f64)]| -> Vec<i32> {
            let kept = first.rows(file, &batch(rows)).unwrap();
            let ids: &Int32Array = kept.column(0).as_any().downcast_ref().unwrap();
            ids.values().to_vec()
        };
        assert_eq!(ids(0, &[(1, 0.0, 1.0), (2, 0.0, 1.0)]), [1, 2]);
        // Another batch of the same file, with a row of the same position.
        assert_eq!(ids(0, &[(3, 0.0, 1.0), (4, 0.0, 2.0)]), [3, 4]);
        assert_eq!(ids(1, &[(1, 0.0, 1.0), (2, 0.0, 1.0), (5, 1.0, 1.0), (5, 1.0, 1.0)]), [5, 5]);
        assert_eq!(ids(2, &[(5, 1.0, 1.0), (4, 0.0, 2.0), (6, -0.0, 2.0)]), [6]);
        assert!(pool.reserved() > 0);
    }
}
