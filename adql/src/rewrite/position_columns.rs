//! Which expressions are the declared position columns of a table, or its spatial index.

use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::Expr;

use crate::function::nan_to_null;
use crate::schema::Positions;

/// A coordinate of a row's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coordinate {
    Ra,
    Dec,
}

/// Which coordinate an expression is: the declared column, bare, guarded, or cast to double.
pub(super) fn coordinate(expr: &Expr, positions: &Positions) -> Option<Coordinate> {
    let name = match expr {
        Expr::Column(column) => &column.name,
        Expr::Alias(alias) => return coordinate(&alias.expr, positions),
        Expr::Cast(cast) if *cast.field.data_type() == DataType::Float64 => {
            return coordinate(&cast.expr, positions);
        }
        Expr::ScalarFunction(call) if call.func.name() == nan_to_null::NAME => {
            return coordinate(call.args.first()?, positions);
        }
        _ => return None,
    };
    if *name == positions.ra {
        Some(Coordinate::Ra)
    } else if *name == positions.dec {
        Some(Coordinate::Dec)
    } else {
        None
    }
}

/// Whether an expression is the spatial index. A double does not hold all of its digits, so that
/// only casts to 64-bit integers count.
pub(super) fn is_spatial_index(expr: &Expr, positions: &Positions) -> bool {
    match expr {
        Expr::Column(column) => column.name == positions.spatial_index,
        Expr::Alias(alias) => is_spatial_index(&alias.expr, positions),
        Expr::Cast(cast) => {
            matches!(cast.field.data_type(), DataType::Int64 | DataType::UInt64)
                && is_spatial_index(&cast.expr, positions)
        }
        _ => false,
    }
}
