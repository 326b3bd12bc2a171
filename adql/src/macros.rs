//! Macros: expressions with a name and parameters, which an operator declares and users call as
//! functions.
//!
//! A call is replaced by the expression before the query is parsed, each parameter by what is given
//! for it, so that a macro means what its expression means there: it prunes tiles where that does,
//! and an argument that is used twice is evaluated twice.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::logical_expr::TableSource;
use datafusion::logical_expr::logical_plan::builder::LogicalTableSource;

use crate::parser::Body;
use crate::parser::words::{is_regular, is_reserved};
use crate::{Column, Error, Limits, OutputColumn, Schemas, Table, TableName, function, plan};

/// A named expression over parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Macro {
    /// Its name: a regular identifier that no function has.
    pub name: String,
    /// What it is called with.
    pub parameters: Vec<Parameter>,
    /// The type of its values, as signatures name types.
    pub returns: &'static str,
    /// One line for humans.
    pub description: Option<String>,
    body: Body,
}

/// What a macro is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in the expression: a regular identifier.
    pub name: String,
    /// Its type, one of [`TYPES`].
    pub data_type: String,
}

/// What is declared.
#[derive(Debug, Clone)]
pub struct Declaration {
    /// The name of the macro.
    pub name: String,
    /// What it is called with.
    pub parameters: Vec<Parameter>,
    /// In ADQL, over the parameters.
    pub expression: String,
    /// One line for humans.
    pub description: Option<String>,
}

/// The types of parameters, each with a value of it.
pub const TYPES: [(&str, &str); 11] = [
    ("SMALLINT", "CAST(NULL AS SMALLINT)"),
    ("INTEGER", "CAST(NULL AS INTEGER)"),
    ("BIGINT", "CAST(NULL AS BIGINT)"),
    ("REAL", "CAST(NULL AS REAL)"),
    ("DOUBLE", "CAST(NULL AS DOUBLE PRECISION)"),
    ("VARCHAR", "CAST(NULL AS VARCHAR)"),
    ("TIMESTAMP", "CAST(NULL AS TIMESTAMP)"),
    ("POINT", "POINT(0, 0)"),
    ("CIRCLE", "CIRCLE(0, 0, 1)"),
    ("POLYGON", "POLYGON(0, 0, 1, 0, 1, 1)"),
    ("REGION", "CIRCLE(0, 0, 1)"),
];

impl Macro {
    /// Makes a macro of an expression in ADQL over its parameters, which may call the macros that
    /// are `known`. It is planned with a value of each type, so that what is wrong with it is found
    /// here and not by its first user.
    ///
    /// # Errors
    /// When the name or a parameter has no name that it may have, or the expression is none over
    /// these parameters.
    pub fn new(
        declaration: Declaration,
        known: &[Arc<Self>],
        limits: &Limits,
    ) -> Result<Self, Error> {
        let Declaration { name, parameters, expression, description } = declaration;
        let refused = |message: String| Err(Error::NotAllowed { message, place: None });
        let is_taken = known.iter().any(|other| other.name.eq_ignore_ascii_case(&name));
        if is_taken || function::lookup(&name).is_some() {
            return refused(format!("there is a function {name} already"));
        }
        for name in [&name].into_iter().chain(parameters.iter().map(|p| &p.name)) {
            if !is_regular(name) || is_reserved(name) {
                return refused(format!(
                    "{name} is no name: write a Latin letter, then letters, digits and _, no \
                     reserved word"
                ));
            }
        }
        for (at, Parameter { name, .. }) in parameters.iter().enumerate() {
            if parameters[..at].iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
                return refused(format!("there are two parameters {name}"));
            }
        }
        let mut values = vec![];
        for Parameter { name, data_type } in &parameters {
            let Some((_, value)) = TYPES.iter().find(|(known, _)| known == data_type) else {
                let known = TYPES.map(|(name, _)| name).join(", ");
                return refused(format!(
                    "the parameter {name} has the type {data_type}: write {known}"
                ));
            };
            values.push(*value);
        }
        let parameter_names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        let body = Body::read(&expression, &parameter_names, known, limits)?;
        let mut made = Self { name, parameters, returns: "", description, body };
        // Its own expression has no columns, and neither has the table that it is tried on.
        let call = format!("SELECT {}({}) AS x FROM nothing", made.name, values.join(", "));
        let tried = plan(&call, &Trial(vec![Arc::new(made.clone())]), limits)
            .map_err(Error::without_place)?;
        made.returns = tried.columns.first().map_or("", type_name);
        Ok(made)
    }

    /// How it is called, and what comes of it (`TAPRegExt` 1.0 §2.3).
    pub fn signature(&self) -> String {
        let parameters = self.parameters.iter().map(|p| format!("{} {}", p.name, p.data_type));
        let parameters = parameters.collect::<Vec<_>>().join(", ");
        format!("{}({parameters}) -> {}", self.name, self.returns)
    }

    pub(crate) fn body(&self) -> &Body {
        &self.body
    }
}

/// The type of a column as signatures name it.
fn type_name(column: &OutputColumn) -> &'static str {
    match column.xtype.as_deref() {
        Some("point") => return "POINT",
        Some("circle") => return "CIRCLE",
        Some("polygon") => return "POLYGON",
        Some("moc") => return "MOC",
        Some("adql:REGION") => return "REGION",
        _ => {}
    }
    match column.data_type {
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => "SMALLINT",
        DataType::Int32 | DataType::UInt16 => "INTEGER",
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "BIGINT",
        DataType::Float32 => "REAL",
        DataType::Timestamp(..) => "TIMESTAMP",
        DataType::Boolean => "BOOLEAN",
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR",
        _ => "DOUBLE",
    }
}

/// What a macro is tried on: one table without columns that a name could mean.
#[derive(Debug)]
struct Trial(Vec<Arc<Macro>>);

impl Trial {
    fn table() -> Table {
        let name = TableName { schema: "public".to_owned(), table: "nothing".to_owned() };
        Table::new(name, vec![Column { hidden: true, ..Column::new(" ", DataType::Int64) }])
    }
}

impl Schemas for Trial {
    fn tables(&self) -> Vec<Arc<Table>> {
        vec![Arc::new(Self::table())]
    }

    fn table(&self, name: &TableName) -> Option<Arc<Table>> {
        self.tables().into_iter().find(|table| table.name == *name)
    }

    fn source(&self, _: &TableName, _: &[usize]) -> Result<Arc<dyn TableSource>, Error> {
        let schema = Schema::new(vec![Field::new(" ", DataType::Int64, true)]);
        Ok(Arc::new(LogicalTableSource::new(Arc::new(schema))))
    }

    fn macros(&self) -> &[Arc<Macro>] {
        &self.0
    }
}

#[cfg(test)]
mod tests;
