//! `/help/…`: short pages for users, served by the program that they are about.
//!
//! What they tell to type uses the address of this service and a query on its own tables; a test
//! runs the Python and the shell lines. What is not evaluated has a file of its own.

use std::sync::Arc;

use adql::Schemas as _;
use adql::function::examples::EXAMPLES;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use catalog::xml::escaped;

use crate::Engine;
use crate::tap::capabilities::base_url;
use crate::tap::examples::lines;
use crate::tap::features::SIMBADPOINT;
use crate::tap::pages::{not_found, page};
use crate::tap::{Service, not_evaluated};

/// The topics with their titles.
const TOPICS: [(&str, &str); 8] = [
    ("topcat", "Use it from TOPCAT"),
    ("python", "Use it from Python"),
    ("stilts", "Use it from the shell"),
    ("positions", "Match tables by position"),
    ("functions", "Functions"),
    ("not-evaluated", "What is not evaluated, and what to write instead"),
    ("publish", "Publish a catalogue"),
    ("workers", "Add workers"),
];

/// A query where a service without a sky has no other.
const TABLES: &str = "SELECT table_name FROM TAP_SCHEMA.tables";

/// One page.
pub(super) async fn topic(
    State(service): State<Arc<Service>>,
    Path(topic): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let Some((topic, title)) = TOPICS.iter().find(|(name, _)| *name == topic) else {
        return not_found(uri).await;
    };
    let base = base_url(&service, &headers);
    let served = service.now();
    let query = served.examples.first().map_or(TABLES, |example| &example.query);
    let body = match *topic {
        "topcat" => topcat(&base),
        "python" => python(&base, query),
        "stilts" => stilts(&base, query),
        "positions" => POSITIONS.to_owned(),
        "functions" => every_function(&served.engine),
        "not-evaluated" => not_evaluated::body(),
        "publish" => PUBLISH.to_owned(),
        _ => WORKERS.to_owned(),
    };
    let back = format!("<p><a href=\"{}\">All tables</a></p>", escaped(&base));
    page(title, &format!("{back}<h2>{title}</h2>{body}")).into_response()
}

fn topcat(base: &str) -> String {
    format!(
        "<ol><li>Choose <i>VO → Table Access Protocol (TAP) Query</i>.</li>\
         <li>Give <code>{}</code> as <i>TAP URL</i>, and press <i>Use Service</i>.</li>\
         <li>Choose a query from <i>Examples → Service-Provided</i>, or write one; then \
         <i>Run Query</i>.</li>\
         <li>A table that is open in TOPCAT goes with the query that names it: \
         <code>TAP_UPLOAD.t1</code> is the first of its list. It may be a million rows and more; \
         the service tells how many bytes.</li>\
         <li>Stars that move are found where they are at another epoch, also in joins by \
         position: <code>1 = CONTAINS(ivo_epoch_prop_pos(ra, dec, parallax, pmra, pmdec, \
         radial_velocity, 2016.0, 1950.0), CIRCLE(150, -30, 0.1))</code>.</li></ol>",
        escaped(base)
    )
}

fn python(base: &str, query: &str) -> String {
    let code = format!(
        "import pyvo\n\nservice = pyvo.dal.TAPService(\"{base}\")\nprint(list(service.tables.keys()))\n\
         print(service.run_sync(\"\"\"\n{query}\n\"\"\").to_table())\n\
         for example in service.examples:\n    print(example[\"QUERY\"])\n"
    );
    let uploading = format!(
        "import pyvo\nfrom astropy.table import Table\n\n\
         service = pyvo.dal.TAPService(\"{base}\")\nmine = Table({{\"id\": [1, 2, 3]}})\n\
         print(service.run_sync(\"SELECT * FROM TAP_UPLOAD.mine\", uploads={{\"mine\": mine}}))\n"
    );
    format!(
        "<p>With <a href=\"https://pyvo.readthedocs.io\">pyvo</a> (<code>pip install pyvo</code>):</p>\
         <pre class=\"python\">{}</pre><p>A table of yours goes with the query that names it, and \
         is joined as any other:</p><pre class=\"python\">{}</pre>",
        lines(&code),
        lines(&uploading)
    )
}

fn stilts(base: &str, query: &str) -> String {
    let query = query.replace('\n', " ").replace('\'', "'\\''");
    let with_stilts =
        format!("stilts tapquery tapurl={base} sync=true ofmt=csv \\\n  adql='{query}'");
    let with_curl = format!(
        "curl -sf {base}/sync -d LANG=ADQL -d RESPONSEFORMAT=csv \\\n  --data-urlencode QUERY='{query}'"
    );
    format!(
        "<p>With <a href=\"https://www.starlink.ac.uk/stilts/\">STILTS</a>:</p>\
         <pre class=\"shell\">{}</pre><p>With curl:</p><pre class=\"shell\">{}</pre>",
        lines(&with_stilts),
        lines(&with_curl)
    )
}

/// Each function with what it does, where that is defined, and a call with its value.
fn every_function(engine: &Engine) -> String {
    let mut text =
        "<p>Positions are degrees in ICRS. Where an argument is NULL, so is the value, unless it \
                    is said otherwise. <code>+</code>, <code>-</code>, <code>*</code>, <code>/</code> and \
                    <code>SUM</code> make a BIGINT of integers, whatever their types, and an error \
                    where it is too large; a quotient of integers is cut to one, and NULL by \
                    zero.</p><dl>"
            .to_owned();
    for function in adql::function::functions() {
        let signatures =
            function.signatures.iter().map(|form| format!("<code>{}</code>", escaped(form)));
        let signatures = signatures.collect::<Vec<_>>().join(", ");
        let aliases =
            function.aliases.iter().map(|name| format!(", <code>{}</code>", name.to_lowercase()));
        let aliases: String = aliases.collect();
        let (description, section) = (escaped(function.description), escaped(function.section));
        text += &format!("<dt>{signatures}{aliases}</dt><dd>{description} ({section})");
        for (_, call, value) in EXAMPLES.iter().filter(|(name, ..)| *name == function.name) {
            text += &format!(". <code>{}</code> is {}", escaped(call), escaped(value));
        }
        text += "</dd>";
    }
    if engine.process().names().is_some() {
        let description = escaped(SIMBADPOINT);
        text += &format!(
            "<dt><code>ivo_simbadpoint('name')</code>, <code>gavo_simbadpoint</code></dt>\
             <dd>{description} (UDF catalogue 1.2 §2)</dd>"
        );
    }
    text += "</dl>";
    let macros = engine.snapshot().macros();
    if macros.is_empty() {
        return text;
    }
    text += "<p>Of this service alone:</p><dl>";
    for defined in macros {
        let description = escaped(defined.description.as_deref().unwrap_or_default());
        text += &format!(
            "<dt><code>{}</code></dt><dd>{description}</dd>",
            escaped(&defined.signature())
        );
    }
    text + "</dl>"
}

const POSITIONS: &str = "<p>All pairs within 1 arcsecond; distances are in degrees:</p>\
    <pre class=\"adql\">SELECT a.id, b.id AS other, DISTANCE(a.ra, a.dec, b.ra, b.dec) AS d
FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) &lt; 1/3600.</pre>\
    <p>The nearest within that, and a row of its own for each <code>a</code> that has none:</p>\
    <pre class=\"adql\">SELECT a.id, b.id AS other
FROM a LEFT JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) &lt; 1/3600.
  AND DISTANCE(a.ra, a.dec, b.ra, b.dec) =
    (SELECT MIN(DISTANCE(a.ra, a.dec, n.ra, n.dec)) FROM b AS n)</pre>\
    <p>The three nearest: fewer than three are nearer. <code>NOT EXISTS</code> in place of \
    <code>3 &gt; … COUNT(*)</code> asks for the nearest:</p>\
    <pre class=\"adql\">SELECT a.id, b.id AS other
FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) &lt; 0.01
WHERE b.mag &lt; 20 AND 3 &gt; (SELECT COUNT(*) FROM b AS n WHERE n.mag &lt; 20
  AND DISTANCE(a.ra, a.dec, n.ra, n.dec) &lt; DISTANCE(a.ra, a.dec, b.ra, b.dec))</pre>\
    <p>Rows that are as near as each other all belong. What the sub-query says of <code>n</code>, the \
    query says of <code>b</code> too: it is tested before the nearest are found, and what only the \
    query says, after. A radius is needed, a number or a column of <code>a</code>. In a table \
    itself each row is the nearest to itself: for the nearest other one, the query says \
    <code>b.id &lt;&gt; a.id</code> and the sub-query <code>n.id &lt;&gt; a.id</code>. Of the two, <code>b</code> is kept in memory: let it be the table that a region, or other \
    conditions, make small.</p>";

const PUBLISH: &str = "<ol><li>Put the catalogue, a table or collection in the layout \
    <a href=\"https://hats.readthedocs.io\">HATS</a>, into the data folder: \
    <code>DIR/&lt;schema&gt;/&lt;table&gt;</code>. Or leave it where it lies, in another folder, an \
    S3-compatible store or behind HTTP, and add it:\
    <pre>armilla add https://data.example.org/hats/gaia_dr3 --data DIR --as gaia.source</pre>\
    Files that are no HATS, CSV, VOTable, FITS, Parquet or Arrow, become a table:\
    <pre>armilla import night1.fits --out DIR/survey/objects --index objectId</pre>\
    and a larger one, or another, while it is served:\
    <pre>armilla import night2.fits --out DIR/survey/objects --append
armilla import release2/ --out DIR/survey/objects --index objectId --replace</pre></li>\
    <li>Describe it in <code>DIR/&lt;schema&gt;/&lt;table&gt;/table.toml</code>; all of it is \
    optional but the version:<pre class=\"toml\">version = 2
title = \"Objects\"
description = \"One row for each star and galaxy.\"

[columns.g_mag]
unit = \"mag\"
ucd = \"phot.mag;em.opt.B\"
description = \"brightness in the green\"
principal = true

[origin]
release = \"DR1\"
doi = \"10.1234/abc\"

[[frames]]
system = \"ICRS\"
epoch = \"J2016.0\"
columns = [\"ra\", \"dec\", \"pmra\", \"pmdec\"]

[[times]]
scale = \"TAI\"
refposition = \"TOPOCENTER\"
origin = \"MJD\"
columns = [\"midpointMjdTai\"]

[[keys]]
target = \"demo.field\"
columns = { fieldId = \"fieldId\" }
description = \"the field that the object was seen in\"
</pre>Names for the positions of arrays, as <code>mag_auto[jplus::rSDSS]</code>, are written so; they \
    are for the columns whose arrays have so many elements:<pre class=\"toml\">version = 3

[enumerations]
jplus = [\"uJAVA\", \"gSDSS\", \"rSDSS\"]
</pre><code>armilla describe DIR/&lt;schema&gt;/&lt;table&gt; --write</code> begins \
    the file with all that is known, each column with its type, and without <code>--write</code> \
    tells what is wrong or missing.</li>\
    <li>Define views, which are read as tables, and macros, which are called as functions, in \
    <code>DIR/definitions.toml</code>, or in the folder of descriptions \
    (<code>--metadata</code>), which wins. Each may use those above it:\
    <pre class=\"definitions\">version = 1

[[macros]]
name = \"ab_mag\"
parameters = [\"flux_njy DOUBLE\"]
expression = \"-2.5 * LOG10(flux_njy) + 31.4\"
description = \"AB magnitude of a flux in nJy\"

[[views]]
name = \"latest.bright\"
title = \"Bright objects of the latest release\"
query = \"\"\"
SELECT objectId, ra, dec, ab_mag(g_psfFlux) AS g_mag FROM demo.object
WHERE g_psfFlux &gt; 1000\"\"\"

[views.columns.g_mag]
description = \"brightness in the green\"
</pre>A call of a macro is replaced by its expression and a view by its query, so that both prune \
    tiles as these do. They are planned when the service starts and when it hears SIGHUP: what is \
    wrong is told with file and name.</li>\
    <li>Start the service, or tell the one that runs: <code>kill -HUP PID</code>. From then on new \
    queries see the tables as they are; those that run end on what they began with. What it cannot \
    read, it names in its log with file and line, and serves the tables as before.</li></ol>";

const WORKERS: &str = "<p>A worker needs a folder of its own and a place to copy its tiles from:</p>\
    <pre>armilla worker --data OWN_FOLDER --origin DIR --listen 127.0.0.1:9001</pre>\
    <p>The coordinator is given all workers. It decides who holds what, and serves when the \
    workers have copied their tiles:</p>\
    <pre>armilla coordinator --data DIR \\
  --workers http://127.0.0.1:9001,http://127.0.0.1:9002</pre>\
    <p>The answers are those of one process. To add or remove a worker, change the list and start \
    the coordinator again: as few tiles move as can be. Each tile is on two workers \
    (<code>--replicas</code>), so that one may be lost; of what nobody holds any more, the others \
    read the origin, which is slower. With its tiles a worker holds their margins, so that joins by \
    position within the width of the margin (<code>armilla import --margin</code>, 10 arcseconds) \
    read no tile of another; wider ones do, and <code>armilla explain</code> tells.</p>\
    <p><code>kill -HUP PID</code> has the coordinator read the tables anew. Workers copy what is new \
    while the former tables are served; then new queries see the new ones. A worker keeps the tiles \
    of one former version for queries that run, and removes older ones.</p>\
    <p>Beyond one machine, nodes prove who they are. Make a private certificate authority and a \
    certificate for each host:</p>\
    <pre>armilla certificates --dir certificates \\
  --coordinator tap.example.org --worker w1.example.org,w2.example.org</pre>\
    <p>Copy each host's folder to it, and give its files to every node by <code>--tls-ca</code>, \
    <code>--tls-certificate</code> and <code>--tls-key</code>; the workers' addresses are then \
    <code>https://w1.example.org:9001</code>. <code>armilla worker --help</code> tells the other \
    settings.</p>";

/// Links to all topics, on a service at an escaped address.
pub(super) fn links(base: &str) -> String {
    let link = |(topic, title): &(&str, &str)| {
        format!("<li><a href=\"{base}/help/{topic}\">{title}</a></li>")
    };
    TOPICS.iter().map(link).collect()
}
