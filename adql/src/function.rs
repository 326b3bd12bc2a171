//! The functions of ADQL: the registry from which documents and `/capabilities` derive, and the
//! scalar functions that every session (coordinator and worker) registers.
//!
//! Each file below is one family: signature, evaluation on arrays, tests. All functions are
//! stateless and found by their names, so that a plan which names them needs no codec.
//! A geometry in a column is what DALI 1.1 §3.3 writes: POINT is two doubles, CIRCLE three, POLYGON
//! a list of pairs, always in ICRS degrees; BOX (ADQL 2.1 §4.2.9) is the polygon of its corners, and
//! unions and MOCs are texts.

use std::ops::RangeInclusive;
use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::plan_err;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF};

use crate::Error;

mod angle_text;
mod catalogue;
pub mod cross_match;
mod distance;
mod element;
pub(crate) mod epoch_prop;
pub mod examples;
pub mod geometry;
mod healpix;
mod histogram;
pub mod in_region;
pub(crate) mod integer;
pub mod is_among;
mod math;
pub(crate) mod measure;
mod moc;
pub mod nan_to_null;
pub mod nearest;
mod number;
mod of_rows;
mod relation;
pub(crate) mod shape;
mod standard;
mod string_agg;
mod sum;
mod text;
pub(crate) mod text_as_shape;
mod time;
mod transform;
mod vector;

pub(crate) use element::element_type;

#[cfg(test)]
mod tests;

/// Name of POINT in a session.
pub(crate) const POINT: &str = "adql_point";
/// Name of CIRCLE in a session.
pub(crate) const CIRCLE: &str = "adql_circle";
/// Name of POLYGON in a session.
pub(crate) const POLYGON: &str = "adql_polygon";
/// Name of CONTAINS in a session.
pub(crate) const CONTAINS: &str = "adql_contains";
/// Name of INTERSECTS in a session.
pub(crate) const INTERSECTS: &str = "adql_intersects";
/// Name of DISTANCE in a session.
pub(crate) const DISTANCE: &str = "adql_distance";
/// Name of `ivo_healpix_index` in a session.
pub(crate) const PIXEL: &str = "adql_healpix_index";

/// Name of the function that an index is written as.
pub(crate) const ELEMENT: &str = "ARMILLA_ELEMENT";

/// What an ADQL function becomes in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A scalar function of ours, by its name in the session.
    Ours(&'static str),
    /// A scalar function of DataFusion, by its name.
    Builtin(&'static str),
    /// An aggregate, by its name in the session.
    Aggregate(&'static str),
    /// Syntax with a node of its own, as `CAST(x AS t)`.
    Syntax,
}

/// What is known of the values of a function beside their type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// Nothing.
    Value,
    /// Their unit.
    Unit(&'static str),
    /// They are geometries of this xtype, in degrees.
    Geometry(&'static str),
    /// They are geometries of the kind that an argument is of.
    GeometryOf(usize),
    /// They are coverages.
    Moc,
}

/// A function of ADQL as users see it, and what it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Name in capitals.
    pub name: &'static str,
    /// The ways to call it.
    pub signatures: &'static [&'static str],
    /// One line for humans.
    pub description: &'static str,
    /// Section of ADQL 2.1 (or the document that defines it).
    pub section: &'static str,
    /// How many arguments it takes, a coordinate system not counted.
    pub arguments: RangeInclusive<usize>,
    /// Its typed signatures as `TAPRegExt` 1.0 §2.3 declares functions of users; ADQL's own have none.
    pub forms: &'static [&'static str],
    /// Its names elsewhere.
    pub aliases: &'static [&'static str],
    /// Whether a first argument that is a string literal names a coordinate system, which
    /// [`check_coordinate_system`] judges and the lowering drops.
    pub coordinate_system: bool,
    /// What is known of its values.
    pub gives: Gives,
    target: Target,
}

impl Function {
    /// Whether its values are geometries.
    pub fn makes_geometry(&self) -> bool {
        !matches!(self.gives, Gives::Value | Gives::Unit(_))
    }

    /// Whether its value is one of many rows.
    pub fn is_aggregate(&self) -> bool {
        matches!(self.target, Target::Aggregate(_))
    }

    /// What a call with this many arguments (a coordinate system not counted) becomes.
    pub fn lowering(&self, arguments: usize) -> Result<Target, Error> {
        if !self.arguments.contains(&arguments) {
            let (least, most) = (self.arguments.start(), self.arguments.end());
            let wanted = match (least, most) {
                (0, 0) => "no argument".to_owned(),
                (1, 1) => "one argument".to_owned(),
                (_, &usize::MAX) => format!("at least {least} arguments"),
                _ if least == most => format!("{least} arguments"),
                _ => format!("{least} to {most} arguments"),
            };
            let message = format!(
                "{} takes {wanted}, not {arguments}: write {}",
                self.name,
                self.signatures.join(" or ")
            );
            return Err(Error::NotAllowed { message, place: None });
        }
        // RAND() differs from row to row, RAND(x) is a function of x.
        match (self.name, arguments) {
            ("RAND", 0) => Ok(Target::Builtin("random")),
            _ => Ok(self.target),
        }
    }
}

/// Every function: ADQL's own in the order of the standard's sections, then those of users.
pub fn functions() -> impl Iterator<Item = &'static Function> {
    standard::STANDARD.iter().chain(catalogue::CATALOGUE)
}

/// The function of this name, in any case.
pub fn lookup(name: &str) -> Option<&'static Function> {
    functions().find(|function| {
        let names = [function.name].into_iter().chain(function.aliases.iter().copied());
        names.into_iter().any(|known| known.eq_ignore_ascii_case(name))
    })
}

/// Accepts the names of the coordinate system in which all positions are (ICRS), and the empty
/// name; refuses the others, since a position is never converted silently (ADQL 2.1 §4.2.5).
pub fn check_coordinate_system(text: &str) -> Result<(), Error> {
    let frame = text.split_whitespace().next().unwrap_or_default();
    if frame.is_empty() || frame.eq_ignore_ascii_case("ICRS") {
        return Ok(());
    }
    Err(Error::NotEvaluable {
        construct: format!("coordinate system '{text}'"),
        reason: "positions are ICRS; leave the coordinate system out or write 'ICRS'".to_owned(),
        place: None,
    })
}

/// Every scalar function of ours: what a session on the coordinator and on workers registers.
pub fn scalar_functions() -> Vec<Arc<ScalarUDF>> {
    [
        math::functions(),
        shape::functions(),
        relation::functions(),
        distance::functions(),
        measure::functions(),
        moc::functions(),
        healpix::functions(),
        epoch_prop::functions(),
        transform::functions(),
        time::functions(),
        text::functions(),
        text_as_shape::functions(),
        angle_text::functions(),
        number::functions(),
        integer::functions(),
        element::functions(),
        vec![ScalarUDF::from(nan_to_null::NanToNull::new())],
        vec![ScalarUDF::from(in_region::InRegion::new())],
        vec![ScalarUDF::from(is_among::IsAmong::new())],
        vec![ScalarUDF::from(cross_match::CrossMatch::new())],
        vec![ScalarUDF::from(nearest::Nearest::new())],
    ]
    .into_iter()
    .flatten()
    .map(Arc::new)
    .collect()
}

/// Every aggregate of ours, registered as those.
pub fn aggregate_functions() -> Vec<Arc<AggregateUDF>> {
    vec![
        Arc::new(histogram::function()),
        Arc::new(moc::aggregate()),
        Arc::new(string_agg::function()),
        Arc::new(sum::function()),
    ]
}

/// The scalar function of ours of this name in a session.
pub(crate) fn lookup_scalar(name: &str) -> Option<Arc<ScalarUDF>> {
    scalar_functions().into_iter().find(|function| function.name() == name)
}

/// The error for an argument that no geometry can have.
fn refuse(message: String) -> DataFusionError {
    DataFusionError::External(Box::new(Error::NotAllowed { message, place: None }))
}

/// Refuses a call with another number of arguments; the planner asks before it casts them.
fn expect_count(
    name: &str,
    arguments: &[DataType],
    counts: RangeInclusive<usize>,
) -> datafusion::common::Result<()> {
    if counts.contains(&arguments.len()) {
        return Ok(());
    }
    plan_err!("{name} does not take {} arguments", arguments.len())
}
