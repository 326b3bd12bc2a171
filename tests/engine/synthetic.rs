//! What the engine answers over the tables of a synthetic survey is what the generator knows.

use std::path::Path;

use catalog::synthetic::{Columns, Content, Footprint, Sky, Table};

use crate::in_process::alone;

fn write(sky: &Sky, folder: &Path, table: Table) {
    let columns = if table == Table::Object { Columns::First(6) } else { Columns::All };
    let content = Content::Survey(table, columns);
    let folder = folder.join("lsst").join(table.name());
    sky.write(&content, &folder, "lsst", &|_| {}).expect("the table is written");
}

#[tokio::test]
async fn answers_are_those_that_the_generator_knows() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sky = Sky::with(20_000, 17, Footprint::All, 3);
    for table in [Table::Object, Table::ForcedSource, Table::Source, Table::DiaSource, Table::Visit]
    {
        write(&sky, folder.path(), table);
    }
    let running = alone(&folder.path().to_string_lossy()).await;
    let one = async |adql: &str| {
        let rows = running.rows(adql).await.unwrap_or_else(|e| panic!("{adql}: {e}"));
        assert_eq!(rows.len(), 1, "{adql}");
        rows[0].clone()
    };
    for (ra, dec, radius) in [
        (0.0, -30.0, 5.0),
        (80.0, -70.0, 3.0),
        (10.0, 90.0, 8.0),
        (0.0, -90.0, 8.0),
        (200.0, 0.0, 95.0),
    ] {
        let adql = format!(
            "SELECT COUNT(*) AS n FROM lsst.object \
             WHERE DISTANCE(coord_ra, coord_dec, {ra}, {dec}) <= {radius}"
        );
        let known = sky.count_in_cone(ra, dec, radius).expect("a cone");
        assert!(known > 0);
        assert_eq!(one(&adql).await, known.to_string(), "{adql}");
    }
    let busiest = "SELECT TOP 8 diaObjectId FROM lsst.diaSource GROUP BY diaObjectId \
                   ORDER BY COUNT(*) DESC, diaObjectId";
    let ids = running.rows(busiest).await.expect("an answer");
    assert_eq!(ids.len(), 8);
    for id in ids {
        let known = sky.object(id.parse().expect("an id")).expect("an object");
        for (table, column, known) in [
            ("forcedSource", "objectId", known.forced_sources),
            ("source", "objectId", known.sources),
            ("diaSource", "diaObjectId", known.dia_sources),
        ] {
            let adql = format!(
                "SELECT COUNT(*) AS n, SUM(visit) AS v, SUM(CAST(psfFlux AS DOUBLE PRECISION)) AS f \
                 FROM lsst.{table} WHERE {column} = {id}"
            );
            let row = one(&adql).await;
            let cells: Vec<&str> = row.split(" | ").collect();
            let (count, visits) = (known.count.to_string(), known.visit_sum.to_string());
            if known.count == 0 {
                assert_eq!(cells[0], "0", "{adql}");
                continue;
            }
            assert_eq!(cells[..2], [count.as_str(), visits.as_str()], "{adql}");
            let sum: f64 = cells[2].parse().expect("a number");
            assert!((sum - known.flux_sum).abs() <= 1e-9 * sum.abs(), "{adql}: {sum}");
        }
    }
    let orphans = "SELECT COUNT(*) AS n FROM lsst.forcedSource AS f JOIN lsst.visit AS v \
                   ON f.visit = v.visit";
    let all = one("SELECT COUNT(*) AS n FROM lsst.forcedSource").await;
    assert_eq!(one(orphans).await, all);
}
