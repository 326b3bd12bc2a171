//! What a VOTable says outside of its rows: which tables there are, their FIELDs and texts, and
//! whether the service that wrote it failed or cut the rows.

use super::document::{Document, Piece, Tag};
use super::field::FieldTags;
use crate::metadata::Origin;
use crate::read::{Place, ReadError, TableChoice};

/// The serialization of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Serialization {
    /// Words in tags.
    TableData,
    /// Bytes in base64, with flags of NULL or without.
    Binary { flagged: bool },
    /// The table has no DATA, hence no rows.
    Absent,
}

/// Where a reading of the outline stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// At the rows of the table.
    Rows(Serialization),
    /// At the end of the document.
    End,
}

/// The table that is read.
#[derive(Debug, Default)]
pub(super) struct TableTags {
    pub(super) tag: Tag,
    pub(super) description: String,
    pub(super) fields: Vec<FieldTags>,
}

/// What is known of a document so far.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// The tags that are open.
    open: Vec<Tag>,
    /// Tables that began so far.
    tables: usize,
    /// The one that is wanted, once its TABLE was seen.
    pub(super) table: Option<TableTags>,
    is_inside_table: bool,
    /// Names of all tables so far, for the message that one was not found.
    names: Vec<String>,
    resource_description: String,
    /// COOSYS and TIMESYS with an ID.
    pub(super) systems: Vec<Tag>,
    /// What its INFOs say of where the data come from.
    pub(super) origin: Origin,
    /// Text of an INFO that says that the query failed.
    failure: Option<String>,
    pub(super) remarks: Vec<String>,
    ended: bool,
}

impl Outline {
    /// Reads on to the rows of the table that is wanted, or to the end.
    pub(super) fn read(
        &mut self,
        document: &mut Document,
        choice: Option<&TableChoice>,
    ) -> Result<Stop, ReadError> {
        loop {
            match document.next_piece()? {
                Piece::Start(tag) => {
                    if let Some(stop) = self.start(document, tag, choice)? {
                        return Ok(stop);
                    }
                }
                Piece::Text(text) => self.text(&text),
                Piece::End => {
                    if let Some(stop) = self.end(document)? {
                        return Ok(stop);
                    }
                }
                Piece::Eof if self.ended => return Ok(Stop::End),
                Piece::Eof => return Err(self.cut(document, Place::default())),
            }
        }
    }

    /// The document ends, and its tags are still open.
    pub(super) fn cut(&self, document: &mut Document, place: Place) -> ReadError {
        let reason = match self.open.last() {
            Some(tag) => format!("the document ends early: <{}> is not closed", tag.name),
            None => "the document ends early: there is no VOTABLE in it".to_owned(),
        };
        document.wrong(place, reason)
    }

    /// The rows were read, and their end tag.
    pub(super) fn end_rows(&mut self) {
        self.open.pop();
    }

    /// The description of the table, else of what it lies in.
    pub(super) fn description(&self) -> Option<String> {
        let own = self.table.as_ref().map_or("", |table| table.description.trim());
        let around = self.resource_description.trim();
        let text = if own.is_empty() { around } else { own };
        (!text.is_empty()).then(|| text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// What to say where the document has not the table that is wanted.
    pub(super) fn missing(&self, choice: Option<&TableChoice>) -> String {
        let wanted = match choice {
            None => return "the document has no TABLE".to_owned(),
            Some(TableChoice::Number(number)) => format!("TABLE {number}"),
            Some(TableChoice::Name(name)) => format!("TABLE named {name}"),
        };
        let count = self.tables;
        format!("the document has no {wanted}, but {count}: {}", self.names.join(", "))
    }

    fn parent(&self) -> &str {
        self.open.last().map_or("", |tag| tag.name.as_str())
    }

    fn start(
        &mut self,
        document: &mut Document,
        tag: Tag,
        choice: Option<&TableChoice>,
    ) -> Result<Option<Stop>, ReadError> {
        if self.open.is_empty() && tag.name != "VOTABLE" {
            let reason = format!("<{}> is the outermost element: this is no VOTable", tag.name);
            return Err(document.wrong(Place::default(), reason));
        }
        match (self.parent(), tag.name.as_str()) {
            (_, "TABLE") => self.start_table(document, &tag, choice)?,
            ("TABLE", "FIELD") => {
                let line = document.line();
                if let Some(table) = self.inside() {
                    let field = tag.clone();
                    table.fields.push(FieldTags { field, line, ..FieldTags::default() });
                }
            }
            ("TABLE", "PARAM") if self.is_inside_table => self.parameter(&tag),
            ("FIELD", "VALUES") => {
                let null = tag.raw_attribute("null").map(str::to_owned);
                if let (Some(null), Some(field)) = (null, self.last_field()) {
                    field.null = Some(null);
                }
            }
            ("RESOURCE" | "VOTABLE", "DESCRIPTION") if self.table.is_none() => {
                self.resource_description.clear();
            }
            (_, "COOSYS" | "TIMESYS") => self.systems.push(tag.clone()),
            ("VOTABLE" | "RESOURCE" | "TABLE", "INFO") => self.info(&tag),
            ("DATA", "TABLEDATA" | "BINARY" | "BINARY2" | "FITS") if self.is_inside_table => {
                return self.start_rows(document, tag);
            }
            // Of another table: its text is as long as that.
            (_, "STREAM") if !tag.is_empty => {
                let mut passed = Vec::new();
                while document.take_stream(0, &mut passed)? {
                    passed.clear();
                }
            }
            _ => {}
        }
        let is_empty = tag.is_empty;
        self.open.push(tag);
        if is_empty { self.end(document) } else { Ok(None) }
    }

    fn start_table(
        &mut self,
        document: &mut Document,
        tag: &Tag,
        choice: Option<&TableChoice>,
    ) -> Result<(), ReadError> {
        self.tables += 1;
        let name = tag.attribute("name").or_else(|| tag.attribute("ID"));
        self.names.push(name.unwrap_or("(unnamed)").to_owned());
        let wanted = match choice {
            None => true,
            Some(TableChoice::Number(number)) => *number == self.tables,
            Some(TableChoice::Name(name)) => {
                [tag.attribute("name"), tag.attribute("ID")].contains(&Some(name.as_str()))
            }
        };
        if self.table.is_some() || !wanted {
            return Ok(());
        }
        if let Some(other) = tag.attribute("ref") {
            let reason = format!("the TABLE takes its columns from another one ({other})");
            return Err(document.wrong(Place::default(), reason));
        }
        self.table = Some(TableTags { tag: tag.clone(), ..TableTags::default() });
        self.is_inside_table = true;
        Ok(())
    }

    fn start_rows(&mut self, document: &mut Document, tag: Tag) -> Result<Option<Stop>, ReadError> {
        let serialization = match tag.name.as_str() {
            "TABLEDATA" => Serialization::TableData,
            "BINARY" => Serialization::Binary { flagged: false },
            "BINARY2" => Serialization::Binary { flagged: true },
            _ => {
                let reason = "its rows are a FITS file inside of the VOTable: write them as \
                              TABLEDATA, BINARY or BINARY2";
                return Err(document.wrong(Place::default(), reason));
            }
        };
        self.is_inside_table = false;
        let is_empty = tag.is_empty;
        self.open.push(tag);
        if is_empty {
            self.end(document)?;
            return Ok(Some(Stop::Rows(Serialization::Absent)));
        }
        Ok(Some(Stop::Rows(serialization)))
    }

    /// The table that is wanted, while its tag is open.
    fn inside(&mut self) -> Option<&mut TableTags> {
        if self.is_inside_table { self.table.as_mut() } else { None }
    }

    fn last_field(&mut self) -> Option<&mut FieldTags> {
        self.inside().and_then(|table| table.fields.last_mut())
    }

    /// A value that all rows share, and that no column has.
    fn parameter(&mut self, tag: &Tag) {
        let facts = ["name", "value", "unit"].map(|key| tag.attribute(key).unwrap_or_default());
        let [name, value, unit] = facts;
        self.remarks
            .push(format!("PARAM {name} of all rows: {value} {unit}").trim_end().to_owned());
    }

    fn info(&mut self, tag: &Tag) {
        let is = |key: &str, word: &str| {
            tag.attribute(key).is_some_and(|value| value.eq_ignore_ascii_case(word))
        };
        if let (Some(name), Some(value)) = (tag.attribute("name"), tag.attribute("value")) {
            self.origin.take(name, value);
        }
        if is("name", "QUERY_STATUS") && is("value", "ERROR") {
            self.failure = Some(String::new());
        }
        if is("name", "QUERY_STATUS") && is("value", "OVERFLOW") {
            let said = "the service that wrote the table cut it at a limit (QUERY_STATUS OVERFLOW)";
            self.remarks.push(said.to_owned());
        }
    }

    fn text(&mut self, text: &str) {
        let depth = self.open.len();
        let parent = depth.checked_sub(2).and_then(|at| self.open.get(at));
        let parent = parent.map_or(String::new(), |tag| tag.name.clone());
        match (parent.as_str(), self.parent()) {
            ("FIELD", "DESCRIPTION") => {
                if let Some(field) = self.last_field() {
                    field.description.push_str(text);
                }
            }
            ("TABLE", "DESCRIPTION") => {
                if let Some(table) = self.inside() {
                    table.description.push_str(text);
                }
            }
            ("RESOURCE" | "VOTABLE", "DESCRIPTION") if self.table.is_none() => {
                self.resource_description.push_str(text);
            }
            (_, "INFO") => {
                if let Some(failure) = &mut self.failure {
                    failure.push_str(text);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, document: &mut Document) -> Result<Option<Stop>, ReadError> {
        let closed = self.open.pop().map(|tag| tag.name).unwrap_or_default();
        self.ended |= self.open.is_empty();
        match closed.as_str() {
            "INFO" => match self.failure.take() {
                Some(text) => {
                    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                    let said = if text.is_empty() { "without a word why" } else { &text };
                    let reason = format!("this is the answer to a query that failed: {said}");
                    Err(document.wrong(Place::default(), reason))
                }
                None => Ok(None),
            },
            // The resource around the table that is wanted keeps its text.
            "RESOURCE" if self.table.is_none() => {
                self.resource_description.clear();
                Ok(None)
            }
            "TABLE" if self.is_inside_table => {
                self.is_inside_table = false;
                Ok(Some(Stop::Rows(Serialization::Absent)))
            }
            _ => Ok(None),
        }
    }

    /// What is to be said of tables that were not read.
    pub(super) fn remark_on_others(&mut self) {
        if self.tables > 1 {
            let (count, names) = (self.tables, self.names.join(", "));
            self.remarks.push(format!("one of {count} tables was read; they are {names}"));
        }
    }
}
