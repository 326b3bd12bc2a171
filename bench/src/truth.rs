//! What queries over a synthetic sky must answer, told without its data: the pixels of the
//! generator that matter are made again.

use anyhow::{Context, Result};
use catalog::synthetic::Children;
use clap::{Args, Subcommand};

use crate::generate::Which;

/// What is asked.
#[derive(Debug, Args)]
pub(crate) struct Truth {
    #[command(flatten)]
    which: Which,
    #[command(subcommand)]
    asked: Asked,
}

#[derive(Debug, Subcommand)]
enum Asked {
    /// How many objects lie in a cone, boundary included (degrees)
    Cone {
        #[arg(allow_negative_numbers = true)]
        ra: f64,
        #[arg(allow_negative_numbers = true)]
        dec: f64,
        radius: f64,
    },
    /// How many pairs of objects are within an angle, each pair once; with a cone, both in it
    Pairs {
        /// At most 60
        arcsec: f64,
        /// The cone in degrees: RA DEC RADIUS
        #[arg(allow_negative_numbers = true, num_args = 3, value_names = ["RA", "DEC", "RADIUS"])]
        cone: Vec<f64>,
    },
    /// Where an object is, and what its children add up to
    Object {
        /// Its objectId
        id: i64,
    },
}

#[expect(clippy::print_stdout, reason = "the answer to the person who asked for it")]
pub(crate) fn run(truth: &Truth) -> Result<()> {
    let sky = truth.which.sky();
    match &truth.asked {
        Asked::Cone { ra, dec, radius } => println!("{}", sky.count_in_cone(*ra, *dec, *radius)?),
        Asked::Pairs { arcsec, cone } => {
            let cone = match cone.as_slice() {
                [ra, dec, radius] => Some([*ra, *dec, *radius]),
                _ => None,
            };
            let threads = std::thread::available_parallelism()?.into();
            println!("{}", sky.pairs_in_cone(*arcsec, cone, threads)?);
        }
        Asked::Object { id } => {
            let known = sky.object(*id).with_context(|| format!("no object has the id {id}"))?;
            println!("ra {} dec {}", known.position.0, known.position.1);
            match known.light_curve {
                Some(curve) => println!("its light changes: {curve:?}"),
                None => println!("its light does not change"),
            }
            tell("forcedSource", &known.forced_sources);
            tell("source", &known.sources);
            tell("diaSource", &known.dia_sources);
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the answer to the person who asked for it")]
fn tell(table: &str, children: &Children) {
    let Children { count, visit_sum, flux_sum } = children;
    println!("{table}: COUNT {count}, SUM(visit) {visit_sum}, SUM(psfFlux) {flux_sum}");
}
