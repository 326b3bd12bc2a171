//! `/help/not-evaluated`: what the page calls refused is refused by that name, and what it tells to
//! write is answered.

use std::os::unix::fs::symlink;

use tests::{Server, Tap, places};

/// The tables that the page speaks of, and which are taken for them.
const TABLES: [(&str, &str); 2] = [("a", "small_sky"), ("b", "small_sky_xmatch")];

/// A row of the page.
#[derive(Debug)]
struct Row {
    construct: String,
    refused: Option<String>,
    instead: String,
}

impl Row {
    fn read(row: &str) -> Self {
        let element = |begin: &str, end: &str| {
            let (_, after) = row.split_once(begin)?;
            after.split_once(end).map(|(text, _)| unescaped(text))
        };
        Self {
            construct: element("<code>", "</code>").expect("a row names its construct"),
            refused: element("<pre class=\"refused\">", "</pre>"),
            instead: element("<pre class=\"adql\">", "</pre>").expect("a row has a way around"),
        }
    }

    /// Whether a message refuses the construct, in which `…` is any text or none.
    fn is_refused(&self, message: &str) -> bool {
        let mut rest = message.strip_prefix("cannot evaluate ");
        for (number, part) in self.construct.split('…').map(str::trim).enumerate() {
            rest = rest.and_then(|rest| match number {
                0 => rest.strip_prefix(part),
                _ => rest.split_once(part).map(|(_, after)| after),
            });
        }
        rest.is_some()
    }
}

fn unescaped(text: &str) -> String {
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&apos;", "'")];
    let plain = entities.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    plain.replace("&amp;", "&")
}

#[test]
fn what_is_not_evaluated_is_refused_and_its_ways_around_are_answered() {
    let Some(hats) = places::hats() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, table) in TABLES {
        symlink(hats.join(table), folder.path().join(name)).expect("a table is linked");
    }
    let server = Server::serve(folder.path(), &[]);
    let tap = Tap::new(server.url());
    let page = tap.get("help/not-evaluated", &[]);
    assert_eq!(page.status, 200, "{}", page.body);
    let rows = page.body.split("<tr><td>").skip(1).map(Row::read);
    let rows: Vec<Row> = rows.collect();
    assert!(rows.len() > 9, "only {} rows were found", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        if let Some(query) = &row.refused {
            let reply = tap.post(&[("LANG", "ADQL"), ("QUERY", query)]);
            let (_, message) = reply.query_status().unwrap_or_default();
            if reply.status != 400 || !row.is_refused(&message) {
                wrong.push(format!("{query}\n  is not refused: {} {message}", reply.status));
            }
        }
        match tap.query(&row.instead) {
            Ok(answer) if answer.rows.is_empty() => {
                wrong.push(format!("{}\n  finds no row", row.instead));
            }
            Ok(_) => {}
            Err(message) => wrong.push(format!("{}\n  is refused: {message}", row.instead)),
        }
    }
    assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), wrong.join("\n"));
}
