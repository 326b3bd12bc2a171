//! Wrong queries get the messages that people are to read, word by word.
//!
//! `errors.toml` holds them: in each text `«` and `»` stand around what is wrong and are not sent.
//! From them the test knows, without the golden message, which line and column it has to name; a
//! message about no place has no such marks. `TEST_BLESS=1` writes the present messages into the
//! file; what all messages owe their readers is asserted even then.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use tests::{Server, Tap, places};

/// The file is to hold so many wrong queries at least.
const ENTRIES_MIN: usize = 45;

/// Around what is wrong in a query.
const MARKS: [char; 2] = ['«', '»'];

/// Words for the developers of the engine, not for those who write queries.
const JARGON: [&str; 16] = [
    "adql_",
    "arrow",
    "candidate functions",
    "cast error",
    "coerc",
    "datafusion",
    "datatype",
    "error during planning",
    "external",
    "fixedsizelist",
    "float64",
    "int64",
    "internal",
    "physical plan",
    "subquery",
    "utf8",
];

/// A wrong query and what the service says to it.
#[derive(Debug)]
struct Wrong {
    name: String,
    /// The text as it is sent.
    adql: String,
    /// What is wrong in it, and where that begins.
    place: Option<Place>,
    /// What the message offers: the nearest name, or what to write.
    hint: Option<String>,
    /// Parameters beside QUERY, or in the place of those that are always sent.
    parameters: Vec<(String, String)>,
    message: String,
}

#[derive(Debug)]
struct Place {
    line: usize,
    /// In characters, from 1.
    column: usize,
    /// Empty where something is missing.
    text: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.adql.chars().take(200).collect();
        write!(f, "{}\n    {shown}\n   ", self.name)
    }
}

impl Wrong {
    fn read(entry: &toml::Table) -> Self {
        let known = ["name", "adql", "repeat", "hint", "parameters", "message"];
        let unknown = entry.keys().find(|key| !known.contains(&key.as_str()));
        assert!(unknown.is_none(), "errors.toml: unknown key {unknown:?}");
        let text = |key: &str| entry.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        let name = text("name").expect("an entry has a name");
        let mut marked = text("adql").unwrap_or_else(|| panic!("{name} has a query"));
        if let Some(repeat) = entry.get("repeat") {
            let times = repeat["times"].as_integer().expect("a number of times");
            let times = usize::try_from(times).expect("times are counted from 0");
            let repeated = repeat["text"].as_str().expect("a text is repeated").repeat(times);
            marked = marked.replace("{repeat}", &repeated);
        }
        let parameters = entry.get("parameters").and_then(toml::Value::as_table);
        let parameters = parameters.into_iter().flatten().map(|(name, value)| {
            (name.clone(), value.as_str().expect("parameters are texts").to_owned())
        });
        Self {
            place: Place::marked(&marked),
            adql: marked.replace(MARKS, ""),
            hint: text("hint"),
            parameters: parameters.collect(),
            message: text("message").unwrap_or_else(|| panic!("{name} has a message")),
            name,
        }
    }

    /// Status and message of the service.
    fn ask(&self, tap: &Tap) -> (u16, String) {
        let always = [("LANG", "ADQL"), ("RESPONSEFORMAT", "votable"), ("QUERY", &self.adql)];
        let given = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut form: Vec<(&str, &str)> = given.collect();
        form.extend(always.into_iter().filter(|(n, _)| self.parameters.iter().all(|p| p.0 != *n)));
        let reply = tap.post(&form);
        match reply.query_status() {
            Some((value, text)) if value == "ERROR" => (reply.status, text),
            other => (reply.status, format!("no VOTable with an error: {other:?}")),
        }
    }

    /// What the message lacks, whatever its words are.
    fn lacks(&self, status: u16, message: &str) -> Vec<String> {
        let mut lacks = Vec::new();
        if status != 400 {
            lacks.push(format!("the status is {status}, and it is the query that is wrong"));
        }
        if message.is_empty() || message.contains('\n') {
            lacks.push("it is not one line".to_owned());
        }
        let lower = message.to_lowercase();
        let jargon = JARGON.iter().filter(|word| lower.contains(*word));
        lacks.extend(jargon.map(|word| format!("it says {word:?}, which no user knows")));
        match &self.place {
            Some(place) => lacks.extend(place.lacks(message)),
            None if message.contains(" at line ") => {
                lacks.push("it has a place, and the query no marks around it".to_owned());
            }
            None => {}
        }
        let hint = self.hint.iter().filter(|hint| !message.contains(*hint));
        lacks.extend(hint.map(|hint| format!("it does not offer {hint:?}")));
        lacks
    }
}

impl Place {
    /// The place between the marks of a text.
    fn marked(text: &str) -> Option<Self> {
        let (before, rest) = text.split_once(MARKS[0])?;
        let (inside, _) = rest.split_once(MARKS[1]).expect("a mark that opens is closed");
        let last_line = before.rsplit('\n').next().unwrap_or_default();
        Some(Self {
            line: before.matches('\n').count() + 1,
            column: last_line.chars().count() + 1,
            text: inside.trim_matches('"').to_owned(),
        })
    }

    fn lacks(&self, message: &str) -> Vec<String> {
        let mut lacks = Vec::new();
        let here = format!("at line {}, column {}", self.line, self.column);
        let mut after = message.split(&here).skip(1);
        if !after.any(|rest| !rest.starts_with(|c: char| c.is_ascii_digit())) {
            lacks.push(format!("it is not {here}"));
        }
        if !message.to_lowercase().contains(&self.text.to_lowercase()) {
            lacks.push(format!("it does not name {:?}", self.text));
        }
        lacks
    }
}

fn golden_file() -> PathBuf {
    places::repository().join("tests/suite/errors.toml")
}

fn load() -> Vec<Wrong> {
    let text = fs::read_to_string(golden_file()).expect("the golden file is readable");
    let parsed: toml::Table = toml::from_str(&text).unwrap_or_else(|e| panic!("errors.toml: {e}"));
    let entries = parsed["error"].as_array().expect("a list of errors");
    entries.iter().map(|e| Wrong::read(e.as_table().expect("an entry is a table"))).collect()
}

/// Writes messages into the golden file, in the order of its entries; all else stays as it is.
fn bless(messages: &[String]) {
    let text = fs::read_to_string(golden_file()).expect("the golden file is readable");
    let mut left = messages.iter();
    let lines = text.lines().map(|line| {
        if !line.starts_with("message = ") {
            return format!("{line}\n");
        }
        let message = left.next().expect("each entry has one line with a message");
        format!("message = {}\n", toml::Value::from(message.as_str()))
    });
    let blessed: String = lines.collect();
    assert_eq!(left.next(), None, "each entry has a line `message = …`");
    fs::write(golden_file(), blessed).expect("the golden file is writable");
}

#[test]
fn wrong_queries_get_these_messages() {
    let Some(hats) = places::hats() else { return };
    let queries = load();
    let serve = Server::serve(&hats, &[]);
    let tap = Tap::new(serve.url());
    let (mut said, mut wrong) = (Vec::new(), Vec::new());
    let blessing = std::env::var_os("TEST_BLESS").is_some();
    for query in &queries {
        let (status, message) = query.ask(&tap);
        let mut lacks = query.lacks(status, &message);
        if message != query.message && !blessing {
            lacks.push(format!("it was to be: {}", query.message));
        }
        if !lacks.is_empty() {
            wrong.push(format!("{query} {message}\n      {}", lacks.join("\n      ")));
        }
        said.push(message);
    }
    if blessing {
        bless(&said);
    }
    assert!(wrong.is_empty(), "{} complaints:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_golden_file_holds_the_errors_that_it_promises() {
    let queries = load();
    let mut names: Vec<&str> = queries.iter().map(|query| query.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() >= ENTRIES_MIN, "{} different names", names.len());
    assert_eq!(names.len(), queries.len(), "every query has a name of its own");
}
