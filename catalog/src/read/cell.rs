//! Cells of one column, as text or as big-endian bytes, gathered into an Arrow array.
//!
//! VOTable (BINARY, BINARY2) and FITS lay values out in the same bytes, and TABLEDATA and CSV in
//! the same words, so that all of them are decoded here.
//! NaN stays what it is; a cell is NULL where its format says so.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, FixedSizeListArray, ListArray, NullBufferBuilder, RecordBatch,
};
use datafusion::arrow::buffer::{OffsetBuffer, ScalarBuffer};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, SchemaRef};
use datafusion::arrow::error::ArrowError;

use super::element::Element;
use super::values::Values;
use super::word::Null;

/// A batch is handed on when its cells take this many bytes: with wide rows, before its rows.
const BATCH_MAX_BYTES: usize = 32 << 20;

/// How many values a cell has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One.
    Scalar,
    /// The same number in every cell, at least one.
    Fixed(usize),
    /// As many as the cell says.
    Variable,
}

/// What the cells of a column are.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CellType {
    pub(super) element: Element,
    pub(super) shape: Shape,
    /// The value that stands for NULL, as the file spells it.
    pub(super) null: Option<String>,
    /// Whether an empty text or list is NULL, because the format has no other way to say it.
    pub(super) empty_is_null: bool,
}

impl CellType {
    /// One value per cell, where empty cells are NULL.
    pub(super) fn scalar(element: Element) -> Self {
        Self { element, shape: Shape::Scalar, null: None, empty_is_null: true }
    }

    /// The Arrow type of the column.
    pub(super) fn data_type(&self) -> DataType {
        let item = self.item();
        match self.shape {
            Shape::Scalar => item.data_type().clone(),
            Shape::Fixed(length) => {
                DataType::FixedSizeList(item, i32::try_from(length).unwrap_or(i32::MAX))
            }
            Shape::Variable => DataType::List(item),
        }
    }

    fn item(&self) -> FieldRef {
        Arc::new(Field::new_list_field(self.element.data_type(), true))
    }
}

/// The cells of a column in a batch that is being read.
#[derive(Debug)]
pub(super) struct ColumnBuilder {
    cell: CellType,
    values: Values,
    null: Null,
    /// Where the lists of a column of variable length end.
    offsets: Vec<i32>,
    /// Which lists are there.
    present: NullBufferBuilder,
}

impl ColumnBuilder {
    pub(super) fn new(cell: CellType) -> Self {
        Self {
            values: Values::new(&cell.element),
            null: Null::parse(cell.null.as_deref()),
            offsets: vec![0],
            present: NullBufferBuilder::new(0),
            cell,
        }
    }

    /// Adds a missing cell.
    pub(super) fn append_null(&mut self) {
        match self.cell.shape {
            Shape::Scalar => self.values.append_nulls(1),
            Shape::Fixed(length) => {
                self.values.append_nulls(length);
                self.present.append_null();
            }
            Shape::Variable => {
                self.present.append_null();
                self.end_list();
            }
        }
    }

    fn end_list(&mut self) {
        // A batch is cut long before 2^31 values.
        self.offsets.push(i32::try_from(self.values.len()).unwrap_or(i32::MAX));
    }

    /// Adds a cell of `count` values (for bits; others tell by their bytes) in big-endian order.
    pub(super) fn append_binary(&mut self, bytes: &[u8], count: usize) -> Result<(), String> {
        let empty = bytes.is_empty() && self.cell.empty_is_null;
        match self.cell.shape {
            Shape::Scalar => {
                self.values.append_binary(bytes, 1, &self.null, self.cell.empty_is_null)
            }
            Shape::Variable if empty => {
                self.append_null();
                Ok(())
            }
            Shape::Fixed(_) | Shape::Variable => {
                self.values.append_binary(bytes, count, &self.null, false)?;
                self.present.append_non_null();
                if self.cell.shape == Shape::Variable {
                    self.end_list();
                }
                Ok(())
            }
        }
    }

    /// Adds a cell that is spelled out; an empty one is NULL.
    pub(super) fn append_text(&mut self, text: &str) -> Result<(), String> {
        if self.cell.shape == Shape::Scalar {
            let word = if self.cell.element.is_text() { text } else { text.trim_ascii() };
            if word.is_empty() {
                self.values.append_nulls(1);
                return Ok(());
            }
            return self.values.append_word(word, &self.null);
        }
        if text.trim_ascii().is_empty() {
            self.append_null();
            return Ok(());
        }
        let before = self.values.len();
        self.values.append_words(text, &self.null)?;
        let found = self.values.len() - before;
        if let Shape::Fixed(length) = self.cell.shape
            && length != found
        {
            return Err(format!("the cell has {found} values in place of {length}"));
        }
        self.present.append_non_null();
        if self.cell.shape == Shape::Variable {
            self.end_list();
        }
        Ok(())
    }

    /// The array of all cells; the builder is empty again.
    fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let values = self.values.finish();
        let item = self.cell.item();
        match self.cell.shape {
            Shape::Scalar => Ok(values),
            Shape::Fixed(length) => {
                let present = self.present.finish();
                let length = i32::try_from(length).unwrap_or(i32::MAX);
                let lists = FixedSizeListArray::try_new(item, length, values, present)?;
                Ok(Arc::new(lists))
            }
            Shape::Variable => {
                let offsets = std::mem::replace(&mut self.offsets, vec![0]);
                let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
                let present = self.present.finish();
                Ok(Arc::new(ListArray::try_new(item, offsets, values, present)?))
            }
        }
    }
}

/// The rows of a batch that is being read.
#[derive(Debug)]
pub(super) struct BatchBuilder {
    schema: SchemaRef,
    pub(super) columns: Vec<ColumnBuilder>,
    rows: usize,
    bytes: usize,
    /// What a row takes at least, however short its cells are spelled.
    row_bytes: usize,
    max_rows: usize,
}

impl BatchBuilder {
    pub(super) fn new(schema: SchemaRef, cells: Vec<CellType>, max_rows: usize) -> Self {
        let fixed = cells.iter().map(|cell| match cell.shape {
            Shape::Fixed(length) => length.saturating_mul(8),
            Shape::Scalar | Shape::Variable => 8,
        });
        let row_bytes = fixed.fold(0, usize::saturating_add);
        let columns = cells.into_iter().map(ColumnBuilder::new).collect();
        Self { schema, columns, rows: 0, bytes: 0, row_bytes, max_rows: max_rows.max(1) }
    }

    /// Ends a row, whose cells took so many bytes.
    pub(super) fn end_row(&mut self, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes.max(self.row_bytes);
    }

    /// Counts bytes that its rows took besides.
    pub(super) fn add_bytes(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// How many rows it still takes.
    pub(super) fn room(&self) -> usize {
        self.max_rows - self.rows.min(self.max_rows)
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= self.max_rows || self.bytes >= BATCH_MAX_BYTES
    }

    /// The rows so far.
    pub(super) fn finish(&mut self) -> Result<RecordBatch, ArrowError> {
        let arrays: Result<Vec<ArrayRef>, ArrowError> =
            self.columns.iter_mut().map(ColumnBuilder::finish).collect();
        let arrays = arrays?;
        debug_assert!(arrays.iter().all(|array| array.len() == self.rows));
        (self.rows, self.bytes) = (0, 0);
        RecordBatch::try_new(Arc::clone(&self.schema), arrays)
    }
}
