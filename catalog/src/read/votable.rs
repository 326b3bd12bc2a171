//! VOTable 1.0 to 1.5: the rows of one TABLE, in TABLEDATA, BINARY or BINARY2.
//!
//! FIELDs become columns by their `datatype` and `arraysize`; a complex number is two floats, an
//! array of several dimensions a flat list, and a text whose xtype is `timestamp` a moment, as
//! texts of moments leave this service. `arraysize="1"` of a number means a plain value, as many
//! writers mean it. A NULL is an empty cell, the value of `VALUES null=`, or a flag of BINARY2.
//! PARAMs become remarks, not columns.
//! Rows are read as they come; nothing that a document refers to is fetched.

mod binary;
mod document;
mod field;
mod outline;

use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};

use self::binary::BinaryRows;
use self::document::{CellPiece, CellTag, Document, Tag};
use self::field::VotableColumn;
use self::outline::{Outline, Serialization, Stop};
use super::cell::{BatchBuilder, Shape};
use super::decoder::{Decoder, RowsRead};
use super::source::Source;
use super::{Place, ReadError, ReadOptions, check_columns, is_text_wanted};
use crate::metadata::{
    self, ColumnMetadata, FrameMetadata, TableMetadata, TimeMetadata, time_origin,
};

/// Values in a cell of fixed length: beyond, a document of missing cells would fill the memory.
const FIXED_MAX: usize = 1 << 20;

/// A table of a VOTable.
pub(super) struct VotableReader {
    read: RowsRead,
    document: Document,
    outline: Outline,
    rows: Rows,
    names: Vec<String>,
    ascii_texts: Vec<String>,
    total_rows: Option<u64>,
}

/// Where the rows come from.
enum Rows {
    Words(String),
    Bytes(BinaryRows),
    Ended,
}

impl VotableReader {
    pub(super) fn open(source: Source, options: &ReadOptions) -> Result<Self, ReadError> {
        let mut document = Document::new(source.path().to_owned(), source.stream()?);
        let mut outline = Outline::default();
        let choice = options.table.as_ref();
        let Stop::Rows(serialization) = outline.read(&mut document, choice)? else {
            return Err(document.wrong(Place::default(), outline.missing(choice)));
        };
        let flagged = serialization == Serialization::Binary { flagged: true };
        let columns = columns(&outline, source.path(), flagged, options)?;
        let field =
            |column: &VotableColumn| Field::new(&column.name, column.cell.data_type(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        check_columns(&source, &schema, options)?;
        let rows = match serialization {
            Serialization::TableData => Rows::Words(String::new()),
            Serialization::Binary { flagged } => {
                Rows::Bytes(BinaryRows::open(&mut document, &columns, flagged)?)
            }
            Serialization::Absent => Rows::Ended,
        };
        let metadata = describe(&outline, &columns.iter().map(|column| (&*column.name, column)));
        let stated = outline.table.as_ref().and_then(|table| table.tag.attribute("nrows"));
        let cells = columns.iter().map(|column| column.cell.clone()).collect();
        let batch = BatchBuilder::new(Arc::clone(&schema), cells, options.batch_rows);
        Ok(Self {
            read: RowsRead::new(source, batch, schema, metadata),
            total_rows: stated.and_then(|rows| rows.parse().ok()),
            ascii_texts: columns
                .iter()
                .filter(|c| c.is_ascii_text())
                .map(|c| c.name.clone())
                .collect(),
            names: columns.into_iter().map(|column| column.name).collect(),
            document,
            outline,
            rows,
        })
    }

    /// What follows the rows may still say that they were cut, or that the query failed.
    fn end(&mut self) -> Result<(), ReadError> {
        while self.outline.read(&mut self.document, None)? != Stop::End {}
        self.outline.remark_on_others();
        self.read.has_ended = true;
        Ok(())
    }

    /// Adds a row of TABLEDATA; false where there are no more.
    fn read_words(&mut self, row: u64, cell: &mut String) -> Result<bool, ReadError> {
        let is_empty = loop {
            cell.clear();
            match self.document.next_cell_piece(row, cell)? {
                CellPiece::Start(CellTag::Row, is_empty) => break is_empty,
                CellPiece::End(CellTag::TableData) => return Ok(false),
                CellPiece::Text if cell.trim_ascii().is_empty() => {}
                CellPiece::Nothing => {}
                CellPiece::Eof => {
                    return Err(self.outline.cut(&mut self.document, Place::row(row)));
                }
                CellPiece::Start(..) | CellPiece::End(_) | CellPiece::Text => {
                    return Err(self.document.wrong(Place::row(row), "a <TR> is expected"));
                }
            }
        };
        let (mut at, mut bytes) = (0, 0);
        let mut is_open = !is_empty;
        while is_open {
            cell.clear();
            match self.document.next_cell_piece(row, cell)? {
                CellPiece::Start(CellTag::Cell, is_empty) => {
                    if !is_empty {
                        self.read_cell(row, cell)?;
                    }
                    bytes += cell.len();
                    self.add_word(row, at, cell)?;
                    at += 1;
                }
                CellPiece::End(CellTag::Row) => is_open = false,
                CellPiece::Text if cell.trim_ascii().is_empty() => {}
                CellPiece::Nothing => {}
                CellPiece::Eof => {
                    return Err(self.outline.cut(&mut self.document, Place::row(row)));
                }
                CellPiece::Start(..) | CellPiece::End(_) | CellPiece::Text => {
                    return Err(self.document.wrong(Place::row(row), "a plain <TD> is expected"));
                }
            }
        }
        if at < self.names.len() {
            let reason = format!("the row has {at} cells in place of {}", self.names.len());
            return Err(self.document.wrong(Place::row(row), reason));
        }
        self.read.batch.end_row(bytes);
        Ok(true)
    }

    /// The text of a cell, up to its end tag.
    fn read_cell(&mut self, row: u64, cell: &mut String) -> Result<(), ReadError> {
        loop {
            match self.document.next_cell_piece(row, cell)? {
                CellPiece::Text | CellPiece::Nothing => {}
                CellPiece::End(CellTag::Cell) => return Ok(()),
                CellPiece::Eof => {
                    return Err(self.outline.cut(&mut self.document, Place::row(row)));
                }
                CellPiece::Start(..) | CellPiece::End(_) => {
                    return Err(self.document.wrong(Place::row(row), "there is a tag in a cell"));
                }
            }
        }
    }

    fn add_word(&mut self, row: u64, at: usize, cell: &str) -> Result<(), ReadError> {
        let Some(builder) = self.read.batch.columns.get_mut(at) else {
            let reason = format!("the row has more than {} cells", self.names.len());
            return Err(self.document.wrong(Place::row(row), reason));
        };
        builder.append_text(cell).map_err(|reason| {
            self.document.wrong(Place::row(row).in_column(&self.names[at]), reason)
        })
    }
}

impl Decoder for VotableReader {
    fn rows(&self) -> &RowsRead {
        &self.read
    }

    fn rows_mut(&mut self) -> &mut RowsRead {
        &mut self.read
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        while !self.read.batch.is_full() {
            let row = self.read.done + self.read.batch.rows() as u64 + 1;
            let added = match &mut self.rows {
                Rows::Words(cell) => {
                    let mut cell = std::mem::take(cell);
                    let added = self.read_words(row, &mut cell)?;
                    self.rows = Rows::Words(cell);
                    added
                }
                Rows::Bytes(rows) => {
                    let added = rows.read_row(&mut self.document, row, &mut self.read.batch)?;
                    if !added {
                        BinaryRows::close(&mut self.document)?;
                    }
                    added
                }
                Rows::Ended => return self.end(),
            };
            if !added {
                self.outline.end_rows();
                self.rows = Rows::Ended;
            }
        }
        Ok(())
    }

    fn total_rows(&self) -> Option<u64> {
        self.total_rows
    }

    fn remarks(&self) -> &[String] {
        &self.outline.remarks
    }

    fn ascii_texts(&self) -> Vec<String> {
        self.ascii_texts.clone()
    }
}

fn columns(
    outline: &Outline,
    file: &Path,
    flagged: bool,
    options: &ReadOptions,
) -> Result<Vec<VotableColumn>, ReadError> {
    let fields = outline.table.iter().flat_map(|table| &table.fields).enumerate();
    fields
        .map(|(at, field)| {
            let name = field.name(at + 1);
            let column = field.column(at + 1, flagged, is_text_wanted(options, &name));
            let column = column.and_then(|column| match column.cell.shape {
                Shape::Fixed(length) if length > FIXED_MAX => Err(format!(
                    "cells of {length} values are too large: write arrays of any length (*)"
                )),
                Shape::Scalar | Shape::Fixed(_) | Shape::Variable => Ok(column),
            });
            let place = Place::line(field.line).in_column(&name);
            column.map_err(|reason| ReadError::malformed(file, place, reason))
        })
        .collect()
}

/// What the document says of the table and of its columns, which go by these names.
fn describe<'a>(
    outline: &Outline,
    columns: &(impl Iterator<Item = (&'a str, &'a VotableColumn)> + Clone),
) -> TableMetadata {
    let tag = outline.table.as_ref().map(|table| &table.tag);
    let attribute = |name| tag.and_then(|tag| tag.attribute(name)).map(str::to_owned);
    let said = columns.clone().filter(|(_, column)| column.metadata != ColumnMetadata::default());
    let mut metadata = TableMetadata {
        version: metadata::VERSION,
        title: attribute("name"),
        description: outline.description(),
        utype: attribute("utype"),
        origin: outline.origin.clone(),
        columns: said.map(|(name, column)| (name.to_owned(), column.metadata.clone())).collect(),
        ..TableMetadata::default()
    };
    for system in &outline.systems {
        let Some(id) = system.attribute("ID") else { continue };
        let of = columns.clone().filter(|(_, column)| column.reference.as_deref() == Some(id));
        let columns: Vec<String> = of.map(|(name, _)| name.to_owned()).collect();
        if !columns.is_empty() {
            add_system(&mut metadata, system, columns);
        }
    }
    metadata
}

/// A COOSYS, whose system is FK5 where it is not said (VOTable 1.4 §3.1), or a TIMESYS.
fn add_system(metadata: &mut TableMetadata, system: &Tag, columns: Vec<String>) {
    let said = |key| system.attribute(key).map(str::to_owned);
    if system.name == "TIMESYS" {
        metadata.times.push(TimeMetadata {
            scale: said("timescale").unwrap_or_else(|| "UNKNOWN".to_owned()),
            refposition: said("refposition").unwrap_or_else(|| "UNKNOWN".to_owned()),
            origin: system.attribute("timeorigin").and_then(time_origin),
            columns,
        });
    } else {
        metadata.frames.push(FrameMetadata {
            system: said("system").unwrap_or_else(|| "FK5".to_owned()),
            equinox: said("equinox"),
            epoch: said("epoch"),
            refposition: said("refposition"),
            columns,
        });
    }
}

/// What a VOTable without rows says of `columns` columns (`VOParquet` 1.0 §3): the metadata of a
/// column by its place in the file, and of the table.
///
/// None where it has another number of columns: it is not about this file.
pub(super) fn described_by(
    file: &Path,
    votable: &str,
    names: &[&str],
) -> Result<Option<TableMetadata>, ReadError> {
    let stream = Box::new(Cursor::new(votable.to_owned().into_bytes()));
    let mut document = Document::new(file.to_owned(), stream);
    let mut outline = Outline::default();
    if outline.read(&mut document, None)? == Stop::End {
        return Ok(None);
    }
    let columns = columns(&outline, file, false, &ReadOptions::default())?;
    if columns.len() != names.len() {
        return Ok(None);
    }
    Ok(Some(describe(&outline, &names.iter().copied().zip(&columns))))
}
