//! ADQL 2.1: text and schemas in, DataFusion's logical plan out; and the geometry of the sky.
//!
//! The pipeline is the list of modules: `limits` (how large a text may be), `parser` (text to
//! syntax tree), `check` (only what ADQL allows, and the list of extensions), `resolve` (names
//! against [`Schemas`]), `lower` (to a `LogicalPlan`), [`rewrite`] (sky predicates). [`plan`] runs
//! it up to the logical plan. [`sky`] knows nothing of DataFusion.
//! The crate is pure: no async, I/O, clock or randomness.
//!
//! NULLs come last in ascending and first in descending order: they count as the largest value.
//! A division of integers is one (`1/2` is 0), a NaN is NULL, LIKE and `=` are case-sensitive.

mod check;
pub mod datatype;
pub mod error;
pub mod function;
mod limits;
mod lower;
pub mod macros;
#[cfg(test)]
mod mutation;
mod parser;
mod resolve;
pub mod rewrite;
#[cfg(test)]
mod sample;
pub mod schema;
pub mod sky;
pub mod system;
pub mod unit;
mod view;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::Analyzer;

pub use error::{Error, Fault, Place};
pub use limits::Limits;
pub use macros::Macro;
pub use parser::named_objects;
pub use schema::{Column, Positions, Schemas, Table, TableName};
pub use system::{CoordinateSystem, System, TimeSystem};
pub use view::View;

/// A planned query.
#[derive(Debug, Clone)]
pub struct Query {
    /// What to evaluate, after DataFusion's analyzer and before its optimizer.
    pub plan: LogicalPlan,
    /// The output columns, by position.
    pub columns: Vec<OutputColumn>,
    /// The tables that are read, each once, in order of their names.
    pub tables: Vec<TableName>,
}

/// What a column of the result is: the attributes of a VOTable FIELD (VOTable 1.5, section 4.1).
#[derive(Debug, Clone, PartialEq)]
pub struct OutputColumn {
    /// Name of the column or its alias (TAP 1.1, section 3); unique in any case of letters, and
    /// for an expression without a name a generated regular identifier.
    pub name: String,
    /// Type of the values.
    pub data_type: DataType,
    /// Unit in `VOUnits` syntax.
    pub unit: Option<String>,
    /// UCD1+.
    pub ucd: Option<String>,
    /// Data model role.
    pub utype: Option<String>,
    /// DALI xtype.
    pub xtype: Option<String>,
    /// One line for humans.
    pub description: Option<String>,
    /// What its values are counted from.
    pub system: Option<Arc<System>>,
    /// All of its texts are known to be ASCII.
    pub ascii: bool,
}

impl From<Column> for OutputColumn {
    /// The column as a query of nothing else yields it.
    fn from(column: Column) -> Self {
        let Column { name, data_type, unit, ucd, utype, xtype, description, system, ascii, .. } =
            column;
        Self { name, data_type, unit, ucd, utype, xtype, description, system, ascii }
    }
}

/// Judges a text without any table: whether it is one query of ADQL 2.1 (or of the extensions)
/// that uses functions of the registry, or of the `declared` names, only.
pub fn validate(text: &str, declared: &[&str], limits: &Limits) -> Result<(), Error> {
    stacker::grow(STACK_BYTES, || check::check(&parser::parse(text, None, limits)?, declared))
}

/// Stack for the planning of one query, and for the judgement of one, whose errors show parts of
/// it. `SqlToRel` takes some 50 KiB for a level of nesting in a debug build, more in all than a
/// thread of a server has; pages are mapped when they are touched.
const STACK_BYTES: usize = 64 << 20;

/// Plans a query: parse, check, resolve, lower.
pub fn plan(text: &str, schemas: &dyn Schemas, limits: &Limits) -> Result<Query, Error> {
    let planned = stacker::grow(STACK_BYTES, || {
        plan_here(text, schemas, limits).map_err(|error| explained(error, text, schemas, limits))
    });
    planned.map_err(|error| located(error, text))
}

/// What is not evaluated, before it is looked for in the text.
const OF_SUB_QUERY: &str = "a sub-query that depends on the query around it";

/// What DataFusion refused, in the words of ADQL and with its place, where that can be told.
fn explained(error: Error, text: &str, schemas: &dyn Schemas, limits: &Limits) -> Error {
    let explain = match &error {
        Error::Plan(_) => resolve::explain,
        Error::NotEvaluable { construct, .. } if construct == OF_SUB_QUERY => {
            resolve::explain_sub_query
        }
        _ => return error,
    };
    let Ok(mut query) = parser::parse(text, Some(schemas), limits) else { return error };
    match resolve::resolve(&mut query, schemas) {
        Ok(_) => explain(&mut query).err().unwrap_or(error),
        Err(_) => error,
    }
}

/// What DataFusion's planner of executions says of a query, if it is an error of ours: with the place
/// of the call that it is about. Only there are constants known that aggregates take.
///
/// # Errors
/// The error as it came, if it is none of ours.
pub fn refused(error: DataFusionError, text: &str) -> Result<Error, DataFusionError> {
    match lower::planning_error(error) {
        Error::Plan(other) => Err(other),
        ours => Ok(located(ours, text)),
    }
}

/// Gives an error about the arguments of a function, which begins with its name, the place of its
/// call, where there is one only.
fn located(error: Error, text: &str) -> Error {
    match error {
        Error::NotAllowed { message, place: None } => {
            let name = message.split_once(':').map(|(name, _)| name);
            let place = name.and_then(|name| parser::only_call(text, name));
            Error::NotAllowed { message, place }
        }
        other => other,
    }
}

fn plan_here(text: &str, schemas: &dyn Schemas, limits: &Limits) -> Result<Query, Error> {
    let mut query = parser::parse(text, Some(schemas), limits)?;
    check::check(&query, &[])?;
    let resolved = resolve::resolve(&mut query, schemas)?;
    resolve::check_sub_queries(&query)?;
    let plan = lower::lower(query, &resolved, schemas)?;
    let plan = rewrite::before_analysis(plan, schemas).map_err(lower::planning_error)?;
    // The analyzer unifies types; an output column has the type that comes out of it.
    let plan = Analyzer::new()
        .execute_and_check(plan, lower::options(), |_, _| {})
        .and_then(rewrite::nan_guard::guard_scans)
        .map_err(lower::planning_error)?;
    if !rewrite::is_evaluable(&plan).map_err(lower::planning_error)? {
        let construct = OF_SUB_QUERY.to_owned();
        return Err(Error::NotEvaluable {
            construct,
            reason: "write a JOIN".to_owned(),
            place: None,
        });
    }
    let types = plan.schema().fields().iter().map(|field| field.data_type().clone());
    let columns = resolved.outputs.into_iter().zip(types);
    let columns = columns.map(|(output, data_type)| {
        let resolve::Metadata {
            unit,
            ucd,
            utype,
            xtype,
            description,
            system,
            ascii,
            kind: _,
            array: _,
        } = output.metadata;
        let name = output.name;
        OutputColumn { name, data_type, unit, ucd, utype, xtype, description, system, ascii }
    });
    let columns = columns.collect();
    Ok(Query { plan, columns, tables: resolved.tables.into_keys().collect() })
}
