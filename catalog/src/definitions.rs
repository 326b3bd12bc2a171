//! `definitions.toml`: the views and macros of an operator.
//!
//! It lies in the data folder; one in the folder of descriptions wins, name by name. A view may
//! read the tables and the views before it, a macro may call the macros before it, and views call
//! macros. All are planned when the tables are opened, so that what is wrong is found then, with the
//! file and the name.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;

use adql::macros::{Declaration, Parameter};
use adql::{Limits, Macro, Schemas, Table, TableName, View};
use datafusion::logical_expr::TableSource;
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::discover::{DEFAULT_SCHEMA, read_text};
use crate::metadata::{
    ColumnMetadata, TableMetadata, VERSION as METADATA_VERSION, parse_versioned,
};
use crate::snapshot::is_reserved;
use crate::stores::Stores;
use crate::table::overlay::describe;
use crate::{Error, Snapshot};

/// Name of the file.
pub const FILE_NAME: &str = "definitions.toml";

/// The version of this layout.
const VERSION: u32 = 1;

/// What a file declares.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Definitions {
    version: u32,
    #[serde(default)]
    views: Vec<ViewDefinition>,
    #[serde(default)]
    macros: Vec<MacroDefinition>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ViewDefinition {
    /// As `schema.table`.
    name: String,
    /// In ADQL.
    query: String,
    title: Option<String>,
    description: Option<String>,
    note: Option<String>,
    utype: Option<String>,
    index: Option<u32>,
    /// What is said of its columns in the place of what is said of those that they come from.
    #[serde(default)]
    columns: BTreeMap<String, ColumnMetadata>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MacroDefinition {
    name: String,
    /// Each as `name TYPE`.
    #[serde(default)]
    parameters: Vec<String>,
    /// In ADQL, over the parameters.
    expression: String,
    description: Option<String>,
}

/// Something declared, and the file that declares it.
#[derive(Debug)]
struct Declared<T> {
    file: String,
    it: T,
}

/// What the files declare, in order.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    views: Vec<Declared<ViewDefinition>>,
    macros: Vec<Declared<MacroDefinition>>,
}

/// The views and macros of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Defined {
    pub(crate) views: Vec<Arc<Table>>,
    pub(crate) macros: Vec<Arc<Macro>>,
}

impl Declarations {
    /// Reads the file in the folder of the data, and the one in the folder of descriptions.
    pub(crate) async fn read(
        stores: &Stores,
        folder: &Path,
        overlay: Option<&FilePath>,
    ) -> Result<Self, Error> {
        let mut declared = Self::default();
        let path = folder.clone().join(FILE_NAME);
        match read_text(stores.own(), &path).await {
            Ok(Some(text)) => declared.add(path.as_ref(), &text)?,
            Ok(None) => {}
            // Some stores refuse to show what is not there.
            Err(error) if error.is_refusal() => {}
            Err(error) => return Err(error),
        }
        if let Some(file) = overlay.map(|overlay| overlay.join(FILE_NAME)) {
            let name = file.display().to_string();
            match std::fs::read_to_string(&file) {
                Ok(text) => declared.add(&name, &text)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(Error::malformed(&name, format!("it cannot be read: {error}")));
                }
            }
        }
        Ok(declared)
    }

    /// Adds what a file declares; what has the name of something before takes its place.
    fn add(&mut self, file: &str, text: &str) -> Result<(), Error> {
        let Definitions { version: _, views, macros } =
            parse_versioned(file, text, VERSION, |definitions: &Definitions| definitions.version)?;
        add(&mut self.views, views, file, |view| &view.name)?;
        add(&mut self.macros, macros, file, |defined| &defined.name)
    }

    /// Plans everything over the tables of a snapshot.
    pub(crate) fn define(self, snapshot: &Snapshot) -> Result<Defined, Error> {
        let limits = Limits::default();
        let mut defined = Defined::default();
        for Declared { file, it } in self.macros {
            let name = it.name.clone();
            let made = macro_of(it, &defined.macros, &limits);
            let made = made.map_err(|e| Error::malformed(&file, format!("macro {name}: {e}")))?;
            defined.macros.push(Arc::new(made));
        }
        for Declared { file, it } in self.views {
            let over = Over { snapshot, defined: &defined };
            let view = view_of(it, &over, &file, &limits)?;
            defined.views.push(Arc::new(view));
        }
        defined.views.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(defined)
    }
}

/// A snapshot with what is defined of it so far.
#[derive(Debug)]
struct Over<'a> {
    snapshot: &'a Snapshot,
    defined: &'a Defined,
}

impl Schemas for Over<'_> {
    fn tables(&self) -> Vec<Arc<Table>> {
        let views = self.defined.views.iter().map(Arc::clone);
        self.snapshot.tables().into_iter().chain(views).collect()
    }

    fn table(&self, name: &TableName) -> Option<Arc<Table>> {
        self.tables().into_iter().find(|table| table.name == *name)
    }

    fn source(
        &self,
        name: &TableName,
        columns: &[usize],
    ) -> Result<Arc<dyn TableSource>, adql::Error> {
        self.snapshot.source(name, columns)
    }

    fn macros(&self) -> &[Arc<Macro>] {
        &self.defined.macros
    }
}

fn macro_of(
    definition: MacroDefinition,
    known: &[Arc<Macro>],
    limits: &Limits,
) -> Result<Macro, String> {
    let MacroDefinition { name, parameters, expression, description } = definition;
    let parameter = |text: String| match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        [name, data_type] => {
            Ok(Parameter { name: (*name).to_owned(), data_type: data_type.to_ascii_uppercase() })
        }
        _ => Err(format!(
            "the parameter \"{text}\" is none: write a name and a type, as \"x DOUBLE\""
        )),
    };
    let parameters = parameters.into_iter().map(parameter).collect::<Result<_, _>>()?;
    let declaration = Declaration { name, parameters, expression, description };
    Macro::new(declaration, known, limits).map_err(|error| error.to_string())
}

fn view_of(
    definition: ViewDefinition,
    over: &Over<'_>,
    file: &str,
    limits: &Limits,
) -> Result<Table, Error> {
    let ViewDefinition { name: written, query, title, description, note, utype, index, columns } =
        definition;
    let refused =
        |reason: String| Err(Error::malformed(&file, format!("view {written}: {reason}")));
    let (schema, table) = written.split_once('.').unwrap_or((DEFAULT_SCHEMA, &written));
    let name = TableName { schema: schema.to_owned(), table: table.to_owned() };
    if schema.is_empty() || table.is_empty() || table.contains('.') {
        return refused("its name has the form schema.table".to_owned());
    }
    if is_reserved(schema) {
        return refused(format!("the schema {schema} belongs to the service (TAP 1.1 §4)"));
    }
    let same = |other: &Arc<Table>| other.name.to_string().eq_ignore_ascii_case(&name.to_string());
    if let Some(other) = over.tables().iter().find(|other| same(other)) {
        return refused(format!("there is a table {} already", other.name));
    }
    let mut view = match View::table(name, &query, over, limits) {
        Ok(view) => view,
        Err(error) => return refused(error.to_string()),
    };
    if let Some(column) = columns.keys().find(|column| view.column_index(column).is_none()) {
        let known: Vec<&str> = view.columns.iter().map(|column| column.name.as_str()).collect();
        return refused(format!("{column} is no column of it: it has {}", known.join(", ")));
    }
    let version = METADATA_VERSION;
    let said = TableMetadata {
        version,
        title,
        description,
        note,
        utype,
        index,
        columns,
        ..TableMetadata::default()
    };
    describe(&mut view, &said, file)?;
    Ok(view)
}

fn add<T>(
    declared: &mut Vec<Declared<T>>,
    more: Vec<T>,
    file: &str,
    name: impl Fn(&T) -> &str,
) -> Result<(), Error> {
    for it in more {
        let same = |other: &&mut Declared<T>| name(&other.it).eq_ignore_ascii_case(name(&it));
        match declared.iter_mut().find(same) {
            Some(other) if other.file == file => {
                let reason = format!("it defines {} twice", name(&it));
                return Err(Error::malformed(&file, reason));
            }
            Some(other) => {
                warn!(file, name = name(&it), "takes the place of the one in {}", other.file);
                *other = Declared { file: file.to_owned(), it };
            }
            None => declared.push(Declared { file: file.to_owned(), it }),
        }
    }
    Ok(())
}
