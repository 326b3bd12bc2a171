//! Tables of a few rows, and what queries of them yield.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float32Array, Float64Array, Int32Array, Int64Array,
    ListArray, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{Float32Type, Float64Type, Schema};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::dataframe::DataFrame;
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::SessionStateBuilder;
use datafusion::logical_expr::TableSource;

use crate::macros::{Declaration, Parameter};
use crate::rewrite::optimizer_rules;
use crate::{Column, Error, Limits, Macro, Positions, Schemas, Table, TableName, View, plan};

/// Tables in memory.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    tables: Vec<(Arc<Table>, RecordBatch)>,
    macros: Vec<Arc<Macro>>,
    places: Vec<(&'static str, [f64; 2])>,
}

fn columns_of(batch: &RecordBatch) -> Vec<Column> {
    let fields = batch.schema();
    let column = |field: &Arc<datafusion::arrow::datatypes::Field>| {
        let mut column = Column::new(field.name(), field.data_type().clone());
        column.hidden = field.name().starts_with('_');
        match field.name().as_str() {
            "ra" | "dec" => {
                column.unit = Some("deg".to_owned());
                column.ucd = Some(format!("pos.eq.{};meta.main", field.name()));
            }
            "mag" => {
                column.unit = Some("mag".to_owned());
                column.description = Some("brightness".to_owned());
            }
            "mags" | "errors" => {
                column.unit = Some("mag".to_owned());
                let names = ["uJAVA", "gSDSS", "rSDSS"].map(str::to_owned).to_vec();
                column.enumerations = Some(Arc::new([("jplus".to_owned(), names)].into()));
            }
            _ => {}
        }
        column
    };
    fields.fields().iter().map(column).collect()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

fn stars() -> RecordBatch {
    let (ra, dec) = ([10.0, 10.5, 200.0, 359.9, 0.1], [20.0, 20.0, -30.0, 0.0, 0.0]);
    let index = ra.iter().zip(dec).map(|(&ra, dec)| crate::sky::spatial_index(ra, dec));
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4, 5]))),
        ("ra", Arc::new(Float64Array::from(ra.to_vec()))),
        ("dec", Arc::new(Float64Array::from(dec.to_vec()))),
        (
            "mag",
            Arc::new(Float64Array::from(vec![
                Some(5.0),
                Some(f64::NAN),
                Some(7.5),
                None,
                Some(1.0),
            ])),
        ),
        ("name", Arc::new(StringArray::from(vec!["Alpha", "beta", "A_b", "a\\b", "100%"]))),
        (
            "flag",
            Arc::new(BooleanArray::from(vec![
                Some(true),
                Some(false),
                None,
                Some(true),
                Some(false),
            ])),
        ),
        ("Odd Name", Arc::new(Int32Array::from(vec![10, 20, 30, 40, 50]))),
        ("_healpix_29", Arc::new(index.collect::<Int64Array>())),
    ])
}

fn observations() -> RecordBatch {
    let taken = vec![0, 86_400_000_000, 2 * 86_400_000_000, 3 * 86_400_000_000];
    batch(vec![
        ("obs_id", Arc::new(Int64Array::from(vec![11, 12, 13, 14]))),
        ("id", Arc::new(Int64Array::from(vec![1, 1, 3, 9]))),
        (
            "flux",
            Arc::new(Float32Array::from(vec![Some(1.5), Some(2.5), Some(f32::NAN), Some(4.0)])),
        ),
        ("band", Arc::new(StringArray::from(vec!["g", "r", "g", "g"]))),
        ("taken", Arc::new(TimestampMicrosecondArray::from(taken))),
    ])
}

fn numbers(values: Vec<i64>) -> RecordBatch {
    batch(vec![("n", Arc::new(Int64Array::from(values)))])
}

/// Arrays, whose positions have names.
fn bands() -> RecordBatch {
    let mags = [
        Some(vec![Some(18.0), Some(17.5), None]),
        Some(vec![Some(f64::NAN), Some(20.25), Some(19.0)]),
        None,
        Some(vec![]),
    ];
    let errors =
        [1.0_f32, 2.0, 3.0, 4.0].map(|x| Some(vec![Some(x), Some(x / 2.0), Some(f32::NAN)]));
    batch(vec![
        ("id", Arc::new(Int64Array::from(vec![1, 2, 3, 4]))),
        ("mags", Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(mags))),
        (
            "errors",
            Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(errors, 3)),
        ),
    ])
}

impl Sample {
    pub(crate) fn new() -> Self {
        let table = |schema: &str, name: &str, batch: RecordBatch| {
            let columns = columns_of(&batch);
            let positions = columns.iter().any(|c| c.hidden).then(|| Positions {
                ra: "ra".to_owned(),
                dec: "dec".to_owned(),
                spatial_index: "_healpix_29".to_owned(),
                slack_deg: 0.0,
                is_exact: true,
            });
            let name = TableName { schema: schema.to_owned(), table: name.to_owned() };
            (Arc::new(Table { positions, ..Table::new(name, columns) }), batch)
        };
        Self {
            tables: vec![
                table("public", "Stars", stars()),
                table("public", "obs", observations()),
                table("a", "dup", numbers(vec![1, 2, 2, 3])),
                table("b", "dup", numbers(vec![2, 3, 3, 4])),
                table("tap_schema", "tables", numbers(vec![7])),
                table("a", "bands", bands()),
            ],
            macros: vec![],
            places: vec![],
        }
    }

    pub(crate) fn with_view(mut self, view: Table) -> Self {
        self.tables.push((Arc::new(view), RecordBatch::new_empty(Schema::empty().into())));
        self
    }

    /// With a view and some macros.
    pub(crate) fn with_definitions(self) -> Self {
        let limits = Limits::default();
        let name = TableName { schema: "v".to_owned(), table: "bright".to_owned() };
        let view = View::table(name, "SELECT id, ra, dec FROM Stars WHERE mag < 6", &self, &limits);
        let defined = [
            ("twice", &["x"] as &[&str], "x + x"),
            ("in_field", &["ra", "dec"], "CONTAINS(POINT(ra, dec), CIRCLE(10.2, 20, 1))"),
        ];
        let macros = defined.map(|(name, parameters, expression)| {
            let parameter = |name: &&str| Parameter {
                name: (*name).to_owned(),
                data_type: "DOUBLE".to_owned(),
            };
            let declaration = Declaration {
                name: name.to_owned(),
                parameters: parameters.iter().map(parameter).collect(),
                expression: expression.to_owned(),
                description: None,
            };
            Arc::new(Macro::new(declaration, &[], &limits).unwrap())
        });
        self.with_view(view.unwrap()).with_macros(macros.to_vec())
    }

    pub(crate) fn with_places(self, places: &[(&'static str, [f64; 2])]) -> Self {
        Self { places: places.to_vec(), ..self }
    }

    pub(crate) fn with_macros(self, macros: Vec<Arc<Macro>>) -> Self {
        Self { macros, ..self }
    }
}

impl Schemas for Sample {
    fn tables(&self) -> Vec<Arc<Table>> {
        self.tables.iter().map(|(table, _)| Arc::clone(table)).collect()
    }

    fn table(&self, name: &TableName) -> Option<Arc<Table>> {
        self.tables().into_iter().find(|table| table.name == *name)
    }

    fn macros(&self) -> &[Arc<Macro>] {
        &self.macros
    }

    fn place_of(&self, object: &str) -> Option<[f64; 2]> {
        self.places.iter().find(|(name, _)| *name == object).map(|(_, place)| *place)
    }

    fn source(&self, name: &TableName, columns: &[usize]) -> Result<Arc<dyn TableSource>, Error> {
        let (_, batch) = self.tables.iter().find(|(table, _)| table.name == *name).unwrap();
        let batch = batch.project(columns).unwrap();
        let table = MemTable::try_new(batch.schema(), vec![vec![batch]])?;
        Ok(provider_as_source(Arc::new(table)))
    }
}

/// Plans and evaluates; rows as `a|b`, in their order.
pub(crate) fn rows(text: &str) -> Result<Vec<String>, String> {
    rows_of(text, Sample::new())
}

/// The same of other tables.
pub(crate) fn rows_of(text: &str, sample: Sample) -> Result<Vec<String>, String> {
    let schemas: Arc<dyn Schemas> = Arc::new(sample);
    let query =
        plan(text, schemas.as_ref(), &Limits::default()).map_err(|error| error.to_string())?;
    let state = SessionStateBuilder::new()
        .with_default_features()
        .with_optimizer_rules(optimizer_rules(schemas))
        .build();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let batches = runtime
        .block_on(DataFrame::new(state, query.plan).collect())
        .map_err(|error| error.to_string())?;
    let mut rows = vec![];
    for batch in &batches {
        for (field, column) in batch.schema().fields().iter().zip(&query.columns) {
            assert_eq!(*field.data_type(), column.data_type, "type of {}", column.name);
            assert_eq!(*field.name(), column.name);
        }
        for row in 0..batch.num_rows() {
            let cells = batch.columns().iter().map(|c| array_value_to_string(c, row).unwrap());
            rows.push(cells.collect::<Vec<_>>().join("|"));
        }
    }
    Ok(rows)
}
