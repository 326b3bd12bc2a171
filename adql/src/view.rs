//! Views: queries with the name of a table, which an operator declares and users read as tables.
//!
//! Where a query names one, the query of the view stands in its place as a derived table does, so
//! that it is pruned and joined as its tables are.

use std::sync::Arc;

use datafusion::sql::sqlparser::ast::Query;

use crate::{Column, Error, Limits, OutputColumn, Schemas, Table, TableName, check, parser, plan};

/// The query of a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// As it was declared.
    pub text: String,
    query: Query,
}

impl View {
    /// The table that a query shows, with the columns that come out of it.
    ///
    /// # Errors
    /// When the query is wrong, or reads what is not among the tables.
    pub fn table(
        name: TableName,
        text: &str,
        schemas: &dyn Schemas,
        limits: &Limits,
    ) -> Result<Table, Error> {
        let planned = plan(text, schemas, limits)?;
        let query = parser::parse(text, Some(schemas), limits)?;
        check::check(&query, &[])?;
        let columns = planned.columns.into_iter().map(column).collect();
        let view = Self { text: text.to_owned(), query };
        Ok(Table { view: Some(Arc::new(view)), ..Table::new(name, columns) })
    }

    pub(crate) fn query(&self) -> &Query {
        &self.query
    }
}

/// A column as the query of a view yields it.
fn column(output: OutputColumn) -> Column {
    let OutputColumn { name, data_type, unit, ucd, utype, xtype, description, system, ascii } =
        output;
    let plain = Column::new(name, data_type);
    Column { unit, ucd, utype, xtype, description, system, ascii, ..plain }
}

#[cfg(test)]
mod tests;
