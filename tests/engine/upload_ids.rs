//! Uploads joined by ids: only the tiles that hold them are read, and the rows are those of the join.

#![expect(clippy::unwrap_used, reason = "a test ends at the first step that fails")]

use std::fmt::Write as _;
use std::fs;

use coordinator::engine::{Engine, EngineConfig};
use coordinator::uploads::{Folder, UploadLimits, UploadStore, Wanted};
use tempfile::TempDir;
use tests::Random;
use tests::process::run_armilla;

use crate::in_process::{alone, cluster, rows};

/// Ids and names of rows all over the sky; every seventh has no id.
fn catalogue(random: &mut Random) -> String {
    let mut csv = "id,name,ra,dec\n".to_owned();
    for at in 0..4000 {
        let (ra, z) = (360.0 * random.unit(), 2.0 * random.unit() - 1.0);
        let id = if at % 7 == 0 { String::new() } else { (at * 3).to_string() };
        writeln!(csv, "{id},n{at},{ra:?},{:?}", z.asin().to_degrees()).unwrap();
    }
    csv
}

/// The engine with a table `u` of this CSV.
async fn with_upload(engine: &Engine, root: &TempDir, csv: &str) -> Engine {
    let limits = UploadLimits { bytes: 1 << 20, rows: 1 << 20, private_urls: false };
    let store = UploadStore::new(root.path(), limits).unwrap();
    let mut staged = store.stage().unwrap();
    let mut part = staged.part("p").await.unwrap();
    part.write(csv.as_bytes()).await.unwrap();
    part.finish().await.unwrap();
    let wanted = Wanted::all(["u,param:p"]).unwrap();
    let uploads = store.tables(&wanted, Folder::Own(staged)).await.unwrap();
    engine.with_uploads(uploads).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_tiles_of_the_ids_are_read() {
    let folder = TempDir::new().unwrap();
    let (input, data) = (folder.path().join("t.csv"), folder.path().join("data"));
    fs::write(&input, catalogue(&mut Random::new(7))).unwrap();
    let out = data.join("public/t");
    let arguments = ["import", input.to_str().unwrap(), "--out", out.to_str().unwrap()];
    let output = run_armilla([&arguments[..], &["--tile-rows", "100", "--index", "id"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let data = data.to_str().unwrap();
    let root = TempDir::new().unwrap();
    // Three that are there, one of them twice; two that are not; none.
    let few = "num,tag,n\n30,a,n10\n30,b,x\n123,c,n41\n21,d,\n-5,e,n10\n,f,\n9000,g,n3000\n";
    let mut many = "num,tag,n\n".to_owned();
    (0..200).for_each(|at| writeln!(many, "{},t{at},n{at}", at * 9).unwrap());
    let pairs = "SELECT t.name, u.tag FROM tap_upload.u AS u JOIN t ON u.num = t.id";
    let kept = "SELECT t.name, u.tag FROM tap_upload.u AS u LEFT JOIN t ON t.id = u.num";
    let semi = "SELECT t.name FROM t WHERE t.id IN (SELECT num FROM tap_upload.u)";
    let anti = "SELECT COUNT(*) AS n FROM t WHERE NOT EXISTS \
                (SELECT 1 FROM tap_upload.u AS u WHERE u.num = t.id)";
    let other = "SELECT COUNT(*) AS n FROM t LEFT JOIN tap_upload.u AS u ON t.id = u.num";
    let or = "SELECT t.name FROM t WHERE t.id IN (SELECT num FROM tap_upload.u) OR t.name = 'n0'";
    let not_in = "SELECT u.tag FROM tap_upload.u AS u WHERE u.num NOT IN (SELECT id FROM t)";
    // Of sets a NULL is one more value.
    let both = "SELECT num FROM tap_upload.u INTERSECT SELECT id FROM t";
    let except = "SELECT num FROM tap_upload.u EXCEPT SELECT id FROM t";
    let texts = "SELECT t.id, u.tag FROM t JOIN tap_upload.u AS u ON t.name = u.n";
    let below = "SELECT t.name, v.tag FROM (SELECT num + 0 AS k, num, tag FROM tap_upload.u) AS v \
                 JOIN t ON v.num = t.id AND v.k = t.id";
    // Of 0, 9, 18 … 1791 those are ids that are no multiple of 21.
    let ids = (0..200).filter(|at| at * 3 % 7 != 0).count();
    let expected = |text: &[&str]| text.iter().map(ToString::to_string).collect::<Vec<_>>();
    for running in [alone(data).await, cluster(data, 3).await] {
        let engine = with_upload(&running.engine, &root, few).await;
        let asked = async |query: &str| rows(&engine, query).await.unwrap();
        let matched = expected(&["n10 | a", "n10 | b", "n3000 | g", "n41 | c"]);
        assert_eq!(asked(pairs).await, matched);
        assert_eq!(asked(below).await, matched);
        let mut all = [matched, expected(&[" | d", " | e", " | f"])].concat();
        all.sort();
        assert_eq!(asked(kept).await, all);
        assert_eq!(asked(semi).await, expected(&["n10", "n3000", "n41"]));
        assert_eq!(asked(anti).await, expected(&["3997"]));
        assert_eq!(asked(other).await, expected(&["4001"]));
        assert_eq!(asked(or).await, expected(&["n0", "n10", "n3000", "n41"]));
        assert_eq!(asked(not_in).await, expected(&[]), "some id is NULL");
        assert_eq!(asked(both).await, expected(&["", "123", "30", "9000"]));
        assert_eq!(asked(except).await, expected(&["-5", "21"]));
        assert_eq!(asked(texts).await, expected(&["123 | c", "30 | a", "30 | e", "9000 | g"]));
        for query in [pairs, kept, semi, below] {
            let plan = engine.explain(query, false).await.unwrap();
            assert!(plan.contains("id index of id: "), "{query}:\n{plan}");
        }
        for query in [anti, other] {
            let plan = engine.explain(query, false).await.unwrap();
            assert!(!plan.contains("id index of id"), "all rows stay: {query}:\n{plan}");
        }
        let engine = with_upload(&running.engine, &root, &many).await;
        assert_eq!(rows(&engine, pairs).await.unwrap().len(), ids);
        let plan = engine.explain(pairs, false).await.unwrap();
        assert!(plan.contains("id index of id: 200 ids lead to"), "{plan}");
    }
    let unpruned = EngineConfig { prune: false, ..EngineConfig::embedded(data) };
    let engine = Engine::open(&unpruned).await.unwrap();
    let engine = with_upload(&engine, &root, &many).await;
    assert_eq!(rows(&engine, pairs).await.unwrap().len(), ids);
}
