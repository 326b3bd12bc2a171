//! Rewrites through a session: a table of places with all that can go wrong with them, queried
//! with the rules and without.

use std::any::Any;
use std::sync::{Arc, Mutex};

use datafusion::arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, TableReference};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, TableProviderFilterPushDown, TableSource, TableType,
};
use datafusion::optimizer::Optimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::nan_guard::{guard_scans, guarded_source};
use super::optimizer_rules;
use crate::Error;
use crate::function::scalar_functions;
use crate::schema::{Column, Positions, Schemas, Table, TableName};
use crate::sky::spatial_index;

mod cover;
mod cross_match;
mod ids;
mod moving;
mod nan;
mod scan;

/// A number from 0 to 1, the same in each run.
fn scatter(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 11) as f64 / (1u64 << 53) as f64
}

/// Places all over the sky, on its poles and its seam, near (10, 20), and rows without a place.
fn places() -> Vec<(Option<f64>, Option<f64>)> {
    let mut seed = 7;
    let mut places: Vec<(Option<f64>, Option<f64>)> = vec![
        (Some(0.0), Some(90.0)),
        (Some(77.0), Some(-90.0)),
        (Some(0.0), Some(0.0)),
        (Some(359.999_999), Some(0.0)),
        (Some(10.0), Some(20.0)),
        (Some(10.0), Some(21.0)),
        (None, Some(20.0)),
        (Some(10.0), None),
        (Some(f64::NAN), Some(20.0)),
        (Some(10.0), Some(f64::NAN)),
        (Some(f64::NAN), Some(f64::NAN)),
    ];
    for _ in 0..400 {
        let lat = (2.0 * scatter(&mut seed) - 1.0).asin().to_degrees();
        places.push((Some(360.0 * scatter(&mut seed)), Some(lat)));
    }
    for _ in 0..200 {
        let near = |at: f64, r: f64| Some(at + 6.0 * (r - 0.5));
        places.push((near(10.0, scatter(&mut seed)), near(20.0, scatter(&mut seed))));
        let seam = (6.0 * scatter(&mut seed) - 3.0).rem_euclid(360.0);
        places.push((Some(seam), Some(4.0 * scatter(&mut seed) - 2.0)));
        places.push((Some(360.0 * scatter(&mut seed)), Some(90.0 - 3.0 * scatter(&mut seed))));
    }
    places
}

fn batch() -> RecordBatch {
    let places = places();
    let count = i64::try_from(places.len()).unwrap();
    let index = places.iter().map(|(ra, dec)| spatial_index((*ra)?, (*dec)?));
    let mag = (0..places.len()).map(|i| match i % 5 {
        0 => Some(f32::NAN),
        1 => None,
        _ => Some(i as f32 / 10.0),
    });
    let columns: [(&str, ArrayRef); 5] = [
        ("id", Arc::new(Int64Array::from_iter_values(0..count))),
        ("ra", Arc::new(places.iter().map(|p| p.0).collect::<Float64Array>())),
        ("dec", Arc::new(places.iter().map(|p| p.1).collect::<Float64Array>())),
        ("mag", Arc::new(mag.collect::<Float32Array>())),
        ("_healpix_29", Arc::new(index.collect::<Int64Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap()
}

/// A table that takes any filter as a hint and remembers it.
#[derive(Debug)]
struct Hinted {
    rows: MemTable,
    offered: Arc<Mutex<Vec<Expr>>>,
}

impl Hinted {
    fn new(rows: &RecordBatch, offered: &Arc<Mutex<Vec<Expr>>>) -> Self {
        let rows = MemTable::try_new(rows.schema(), vec![vec![rows.clone()]]).unwrap();
        Self { rows, offered: Arc::clone(offered) }
    }
}

#[async_trait::async_trait]
impl TableProvider for Hinted {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        *self.offered.lock().unwrap() = filters.to_vec();
        self.rows.scan(state, projection, &[], limit).await
    }
}

/// One table `s.t` (and its twin `s.u`), as a catalogue would offer it.
#[derive(Debug)]
struct Sky {
    batch: RecordBatch,
    tables: Vec<Arc<Table>>,
    offered: Arc<Mutex<Vec<Expr>>>,
}

impl Sky {
    fn new() -> Arc<Self> {
        let batch = batch();
        let schema = batch.schema();
        let columns = schema.fields().iter().map(|field| {
            let column = Column::new(field.name(), field.data_type().clone());
            Column { hidden: field.name() == "_healpix_29", ..column }
        });
        let columns: Vec<Column> = columns.collect();
        let positions = Positions {
            ra: "ra".to_owned(),
            dec: "dec".to_owned(),
            spatial_index: "_healpix_29".to_owned(),
            slack_deg: 0.0,
            is_exact: false,
        };
        let tables = ["t", "u"].map(|table| {
            let name = TableName { schema: "s".to_owned(), table: table.to_owned() };
            let positions = Some(positions.clone());
            Arc::new(Table { positions, ..Table::new(name, columns.clone()) })
        });
        Arc::new(Self { batch, tables: tables.into(), offered: Arc::default() })
    }

    fn positions(&self) -> &Positions {
        self.tables[0].positions.as_ref().unwrap()
    }
}

impl Schemas for Sky {
    fn tables(&self) -> Vec<Arc<Table>> {
        self.tables.clone()
    }

    fn table(&self, name: &TableName) -> Option<Arc<Table>> {
        self.tables.iter().find(|table| table.name == *name).cloned()
    }

    fn source(
        &self,
        _: &TableName,
        columns: &[usize],
    ) -> std::result::Result<Arc<dyn TableSource>, Error> {
        let rows = self.batch.project(columns).map_err(datafusion::error::DataFusionError::from)?;
        Ok(provider_as_source(Arc::new(Hinted::new(&rows, &self.offered))))
    }

    fn range(&self, _: &TableName, column: &str) -> Option<[f64; 2]> {
        (column == "mag").then_some([0.0, 102.0])
    }
}

/// What a session finds under the name of a table: its guarded source, as a view.
#[derive(Debug)]
struct Guarded {
    plan: LogicalPlan,
}

#[async_trait::async_trait]
impl TableProvider for Guarded {
    fn schema(&self) -> SchemaRef {
        Arc::new(self.plan.schema().as_arrow().clone())
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn get_logical_plan(&'_ self) -> Option<std::borrow::Cow<'_, LogicalPlan>> {
        Some(std::borrow::Cow::Borrowed(&self.plan))
    }

    async fn scan(
        &self,
        _: &dyn Session,
        _: Option<&Vec<usize>>,
        _: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        panic!("a view is planned in its place")
    }
}

/// A session over these columns of the tables, with our rule or with DataFusion's alone.
fn session(sky: &Arc<Sky>, columns: &[usize], with_rule: bool) -> SessionContext {
    let rules = if with_rule {
        optimizer_rules(Arc::clone(sky) as Arc<dyn Schemas>)
    } else {
        Optimizer::new().rules
    };
    let functions = scalar_functions();
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_config(SessionConfig::new().with_target_partitions(2))
        .with_optimizer_rules(rules)
        .build();
    let session = SessionContext::new_with_state(state);
    for function in functions {
        session.register_udf(function.as_ref().clone());
    }
    for table in &sky.tables {
        let source = sky.source(&table.name, columns).unwrap();
        let source = guarded_source(table, columns, source);
        let (schema, name) = (table.name.schema.as_str(), table.name.table.as_str());
        let name = TableReference::partial(schema, name);
        let scan = LogicalPlanBuilder::scan(name, source, None).unwrap().build().unwrap();
        let plan = guard_scans(scan).unwrap();
        session.register_table(table.name.table.as_str(), Arc::new(Guarded { plan })).unwrap();
    }
    session
}

const ALL: &[usize] = &[0, 1, 2, 3, 4];
const WITHOUT_INDEX: &[usize] = &[0, 1, 2, 3];

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn optimized(session: &SessionContext, sql: &str) -> LogicalPlan {
    block_on(async { session.sql(sql).await.unwrap().into_optimized_plan().unwrap() })
}

/// The rows of a query as text, in their order.
fn rows(session: &SessionContext, sql: &str) -> Vec<String> {
    let batches = block_on(async { session.sql(sql).await?.collect().await });
    let batches = batches.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut rows = Vec::new();
    for batch in batches {
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|c| array_value_to_string(c, row).unwrap());
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    rows
}

#[test]
fn the_table_of_these_tests_holds_what_is_needed() {
    let sky = Sky::new();
    assert!(sky.batch.num_rows() > 1000);
    assert_eq!(sky.batch.schema().field(3).data_type(), &DataType::Float32);
    let provider: &dyn Any = &Hinted::new(&sky.batch, &sky.offered);
    assert!(provider.is::<Hinted>());
}
