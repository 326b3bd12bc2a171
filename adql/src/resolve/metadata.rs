//! What output columns mean: unit, UCD and the like follow a value through a query.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType as ArrowType;
use datafusion::sql::sqlparser::ast::{DataType, Expr, Function, Value};

use super::in_unit::IN_UNIT;
use super::kind::Kind;
use super::scope::{Columns, Env, Visible};
use crate::function::{self, ELEMENT, Gives, element_type};
use crate::parser::tree;
use crate::schema::Enumerations;
use crate::sky::Region;
use crate::{Column, System};

/// The attributes of a VOTable FIELD that do not follow from the type (VOTable 1.5, section 4.1).
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Metadata {
    pub(crate) unit: Option<String>,
    pub(crate) ucd: Option<String>,
    pub(crate) utype: Option<String>,
    pub(crate) xtype: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) system: Option<Arc<System>>,
    /// All texts are known to be ASCII.
    pub(crate) ascii: bool,
    pub(crate) kind: Option<Kind>,
    pub(crate) array: Option<ArrayOf>,
}

/// What is known of arrays.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ArrayOf {
    pub(crate) kind: Option<Kind>,
    /// How many elements each has, where they have the same number.
    pub(crate) length: Option<i64>,
    /// Names of positions.
    pub(crate) enumerations: Option<Arc<Enumerations>>,
}

impl ArrayOf {
    fn of_column(column: &Column) -> Option<Self> {
        let of = element_type(&column.data_type)?;
        let length = match column.data_type {
            ArrowType::FixedSizeList(_, length) => Some(i64::from(length)),
            _ => None,
        };
        let enumerations = column.enumerations.clone();
        Some(Self { kind: Kind::of_type(of), length, enumerations })
    }
}

impl Metadata {
    pub(super) fn of_column(column: &Column) -> Self {
        Self {
            unit: column.unit.clone(),
            ucd: column.ucd.clone(),
            utype: column.utype.clone(),
            xtype: column.xtype.clone(),
            description: column.description.clone(),
            system: column.system.clone(),
            ascii: column.ascii,
            kind: Kind::of_type(&column.data_type),
            array: ArrayOf::of_column(column),
        }
    }

    /// The same of a column that has values of others too.
    pub(super) fn with_others(self) -> Self {
        Self { ascii: false, ..self }
    }

    fn with_unit(unit: &str) -> Self {
        Self { unit: Some(unit.to_owned()), ..Self::default() }
    }

    fn geometry(xtype: &str) -> Self {
        Self { xtype: Some(xtype.to_owned()), ..Self::with_unit("deg") }
    }

    fn moc() -> Self {
        Self { xtype: Some("moc".to_owned()), ascii: true, ..Self::default() }
    }

    /// Of the region that a text says.
    fn region(text: Option<String>) -> Self {
        match text.and_then(|text| Region::from_text(&text).ok()) {
            Some(Region::Point(_)) => Self::geometry("point"),
            Some(Region::Circle(_)) => Self::geometry("circle"),
            Some(Region::Polygon(_)) => Self::geometry("polygon"),
            Some(Region::Moc(_)) => Self::moc(),
            Some(Region::Range(_) | Region::Union(_)) | None => {
                Self { ascii: true, ..Self::geometry("adql:REGION") }
            }
        }
    }

    /// Of a geometry with other coordinates.
    fn rotated(geometry: Option<&&Expr>, env: &Env<'_>) -> Self {
        let of = geometry.map_or_else(Self::default, |geometry| Self::of(geometry, env));
        Self { unit: of.unit, xtype: of.xtype, ..Self::default() }
    }

    /// The metadata of a value whose names are resolved. Columns, and what hands a value of one
    /// through (MIN, MAX, COALESCE, parentheses), keep all; what changes a value but not its unit
    /// (AVG, SUM, ABS, …) keeps the unit; the rest has what its function gives.
    pub(super) fn of(expression: &Expr, env: &Env<'_>) -> Self {
        let said = Self::said_of(expression, env);
        let kind = said.kind.or_else(|| Kind::of_computed(expression, env));
        Self { kind, ..said }
    }

    fn said_of(expression: &Expr, env: &Env<'_>) -> Self {
        match expression {
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [relation, column] => of_name(&relation.value, &column.value, env),
                _ => Self::default(),
            },
            Expr::Nested(inner) => Self::of(inner, env),
            Expr::UnaryOp { expr, .. } => Self::unit_of(expr, env),
            Expr::Cast { expr, data_type, .. } => {
                let metadata = Self::of(expr, env);
                let xtype = match data_type {
                    DataType::Timestamp(..) => Some("timestamp".to_owned()),
                    DataType::Custom(name, _) => {
                        let said = Self::geometry(&name.to_string().to_ascii_lowercase());
                        let Self { ucd, description, .. } = metadata;
                        return Self { ucd, description, ..said };
                    }
                    _ => None,
                };
                Self { xtype, kind: None, array: None, ..metadata }
            }
            Expr::Function(call) => Self::of_call(expression, call, env),
            Expr::Case { conditions, else_result, .. } => {
                let results = conditions.iter().map(|when| &when.result);
                common(results.chain(else_result.as_deref()), env)
            }
            _ => Self::default(),
        }
    }

    fn unit_of(expression: &Expr, env: &Env<'_>) -> Self {
        Self { unit: Self::of(expression, env).unit, ..Self::default() }
    }

    fn of_call(expression: &Expr, call: &Function, env: &Env<'_>) -> Self {
        // A column that a FULL JOIN … USING has made of two.
        let merged = env.chain().find_map(|env| {
            env.scope.visible.iter().find_map(|visible| match visible {
                Visible::Merged { expression: e, metadata, .. } if **e == *expression => {
                    Some(metadata.as_ref().clone())
                }
                _ => None,
            })
        });
        if let Some(metadata) = merged {
            return metadata;
        }
        let arguments = tree::arguments(call);
        let first = arguments.first();
        match call.name.to_string().to_ascii_uppercase().as_str() {
            "MIN" | "MAX" => first.map_or_else(Self::default, |e| Self::of(e, env)),
            "COALESCE" => first.map_or_else(Self::default, |e| Self::of(e, env)).with_others(),
            "AVG" | "SUM" | "ABS" | "ROUND" | "TRUNCATE" | "FLOOR" | "CEILING" => {
                first.map_or_else(Self::default, |e| Self::unit_of(e, env))
            }
            IN_UNIT => {
                let of = first.map_or_else(Self::default, |e| Self::of(e, env));
                Self { unit: arguments.get(1).and_then(|unit| text_of(unit)), ..of }
            }
            ELEMENT => {
                let of = first.map_or_else(Self::default, |e| Self::of(e, env));
                let kind = of.array.and_then(|array| array.kind);
                Self { xtype: None, kind, array: None, ..of }
            }
            "REGION" => Self::region(first.and_then(|text| text_of(text))),
            name => match function::lookup(name).map(|function| function.gives) {
                Some(Gives::Unit(unit)) => Self::with_unit(unit),
                Some(Gives::Geometry(xtype)) => Self::geometry(xtype),
                Some(Gives::GeometryOf(at)) => Self::rotated(arguments.get(at), env),
                Some(Gives::Moc) => Self::moc(),
                Some(Gives::Value) | None => Self::default(),
            },
        }
    }
}

/// The text that a literal is.
pub(super) fn text_of(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// What all branches of a CASE have in common; a branch that is a literal has no say.
fn common<'a>(results: impl Iterator<Item = &'a Expr>, env: &Env<'_>) -> Metadata {
    let mut all = results.filter(|e| !matches!(tree::bare(e), Expr::Value(_)));
    let Some(first) = all.next() else { return Metadata::default() };
    let first = Metadata::of(first, env);
    let common = all.fold(first, |common, branch| {
        let branch = Metadata::of(branch, env);
        let same = |a: Option<String>, b: Option<String>| if a == b { a } else { None };
        Metadata {
            unit: same(common.unit, branch.unit),
            ucd: same(common.ucd, branch.ucd),
            utype: same(common.utype, branch.utype),
            xtype: same(common.xtype, branch.xtype),
            description: same(common.description, branch.description),
            system: common.system.filter(|system| branch.system.as_ref() == Some(system)),
            ascii: false,
            kind: common.kind.filter(|kind| branch.kind == Some(*kind)),
            array: common.array.filter(|array| branch.array.as_ref() == Some(array)),
        }
    });
    common.with_others()
}

fn of_name(relation: &str, column: &str, env: &Env<'_>) -> Metadata {
    let relation =
        env.chain().find_map(|env| env.scope.relations.iter().find(|r| r.plan_name == relation));
    let Some(relation) = relation else { return Metadata::default() };
    let index = match &relation.columns {
        Columns::Table(table) => table.column_index(column),
        Columns::Query(outputs) => outputs.iter().position(|output| output.name == column),
    };
    index.map_or_else(Metadata::default, |index| relation.columns.metadata(index))
}
