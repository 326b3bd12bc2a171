//! Who is believed: what is said of a table in one place, laid over what is said in another.

use super::{ColumnMetadata, TableMetadata};

impl TableMetadata {
    /// What is said here, and of the rest what is said there: a frame counts for the columns that
    /// have none here, and a key unless there is one here from the same columns to the same table.
    #[must_use]
    pub fn over(self, there: Self) -> Self {
        let mut columns = self.columns;
        for (name, said) in there.columns {
            let here = columns.remove(&name).unwrap_or_default();
            columns.insert(name, here.over(said));
        }
        let mut enumerations = there.enumerations;
        enumerations.extend(self.enumerations);
        let mut frames = self.frames;
        let known: Vec<String> = frames.iter().flat_map(|frame| frame.columns.clone()).collect();
        let has_own = frames.iter().any(|frame| frame.columns.is_empty());
        for mut frame in there.frames {
            let of_position = frame.columns.is_empty();
            frame.columns.retain(|column| !known.contains(column));
            if if of_position { !has_own } else { !frame.columns.is_empty() } {
                frames.push(frame);
            }
        }
        let mut times = self.times;
        let known: Vec<String> = times.iter().flat_map(|time| time.columns.clone()).collect();
        for mut time in there.times {
            time.columns.retain(|column| !known.contains(column));
            if !time.columns.is_empty() {
                times.push(time);
            }
        }
        let mut keys = self.keys;
        for key in there.keys {
            let is_known = |known: &super::KeyMetadata| {
                known.target.eq_ignore_ascii_case(&key.target) && known.columns == key.columns
            };
            if !keys.iter().any(is_known) {
                keys.push(key);
            }
        }
        Self {
            version: self.version,
            title: said(self.title, there.title),
            description: said(self.description, there.description),
            note: said(self.note, there.note),
            utype: said(self.utype, there.utype),
            index: self.index.or(there.index),
            origin: self.origin.over(there.origin),
            coverage: self.coverage.or(there.coverage),
            position: self.position.or(there.position),
            columns,
            enumerations,
            frames,
            times,
            keys,
        }
    }

    /// Leaves out what is said of columns that are not there.
    pub(crate) fn retain_columns(&mut self, has: impl Fn(&str) -> bool) {
        let has = |name: &String| has(name);
        self.columns.retain(|name, said| has(name) && *said != ColumnMetadata::default());
        for frame in &mut self.frames {
            let said = frame.columns.len();
            frame.columns.retain(has);
            // Without columns it would be that of the position.
            if said > 0 && frame.columns.is_empty() {
                frame.system.clear();
            }
        }
        self.frames.retain(|frame| !frame.system.is_empty());
        for time in &mut self.times {
            time.columns.retain(has);
        }
        self.times.retain(|time| !time.columns.is_empty());
        self.keys.retain(|key| key.columns.keys().all(has));
    }
}

impl ColumnMetadata {
    /// What is said here, and of the rest what is said there.
    #[must_use]
    pub fn over(self, there: Self) -> Self {
        Self {
            unit: said(self.unit, there.unit),
            ucd: said(self.ucd, there.ucd),
            utype: said(self.utype, there.utype),
            xtype: said(self.xtype, there.xtype),
            description: said(self.description, there.description),
            note: said(self.note, there.note),
            index: self.index.or(there.index),
            indexed: self.indexed.or(there.indexed),
            principal: self.principal.or(there.principal),
            std: self.std.or(there.std),
        }
    }
}

/// An empty text says nothing.
fn said(here: Option<String>, there: Option<String>) -> Option<String> {
    here.filter(|text| !text.trim().is_empty()).or(there)
}

#[cfg(test)]
mod tests {
    use super::super::{ColumnMetadata, FrameMetadata, KeyMetadata, TableMetadata};

    fn frame(system: &str, columns: &[&str]) -> FrameMetadata {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        FrameMetadata { system: system.to_owned(), columns, ..FrameMetadata::default() }
    }

    #[test]
    fn what_is_said_above_wins_piece_by_piece() {
        let column = |unit: &str, ucd: &str, principal| ColumnMetadata {
            unit: (!unit.is_empty()).then(|| unit.to_owned()),
            ucd: (!ucd.is_empty()).then(|| ucd.to_owned()),
            principal,
            ..ColumnMetadata::default()
        };
        let key = |target: &str| KeyMetadata {
            target: target.to_owned(),
            columns: [("a".to_owned(), "b".to_owned())].into(),
            tiled_with: None,
            description: None,
        };
        let above = TableMetadata {
            title: Some(" ".to_owned()),
            columns: [("a".to_owned(), column("mag", "", Some(false)))].into(),
            frames: vec![frame("FK5", &["ra5"])],
            keys: vec![key("s.T")],
            ..TableMetadata::default()
        };
        let below = TableMetadata {
            title: Some("below".to_owned()),
            columns: [
                ("a".to_owned(), column("Jy", "phot", Some(true))),
                ("b".to_owned(), column("s", "", None)),
            ]
            .into(),
            frames: vec![frame("ICRS", &["ra", "ra5"]), frame("ICRS", &["ra5"]), frame("FK5", &[])],
            keys: vec![key("s.t"), key("s.u")],
            ..TableMetadata::default()
        };
        let both = above.over(below);
        assert_eq!(both.title.as_deref(), Some("below"));
        assert_eq!(both.columns["a"], column("mag", "phot", Some(false)));
        assert_eq!(both.columns["b"], column("s", "", None));
        let frames = vec![frame("FK5", &["ra5"]), frame("ICRS", &["ra"]), frame("FK5", &[])];
        assert_eq!(both.frames, frames);
        assert_eq!(both.keys, [key("s.T"), key("s.u")]);
    }
}
