//! ADQL 2.1: text and schemas in, DataFusion's logical plan out; and the geometry of the sky.
//!
//! The pipeline is the list of modules: [`parser`] (text to syntax tree), [`check`] (only what
//! ADQL allows), [`resolve`] (names against [`Schemas`]), [`lower`] (to a `LogicalPlan`),
//! [`rewrite`] (sky predicates). [`plan`] runs it. [`sky`] knows nothing of DataFusion.
//! The crate is pure: no async, I/O, clock or randomness.

pub mod error;
pub mod schema;
pub mod sky;

pub use error::{Error, Fault, Place};
pub use schema::{Column, Positions, Schemas, Table, TableName};
