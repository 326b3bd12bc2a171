//! The parameters of a query (TAP 1.1 §2.7, DALI 1.1 §3.4), read and checked.

use crate::format::Requested;
use crate::tap::RowLimits;
use crate::tap::refusal::Refusal;
use crate::uploads::Wanted;

/// The languages that run; `ADQL` is the newest.
pub(crate) const LANGUAGES: [&str; 3] = ["ADQL", "ADQL-2.0", "ADQL-2.1"];

/// A checked request.
#[derive(Debug)]
pub(crate) struct Parameters {
    pub(crate) query: String,
    /// `MAXREC` as given.
    pub(crate) max_rows: Option<u64>,
    /// The client's name for the request, for the log.
    pub(crate) run_id: Option<String>,
    /// The tables that the query brings.
    pub(crate) uploads: Vec<Wanted>,
}

/// The parameters as given. Names are case-insensitive; unknown ones are ignored, among them
/// `REQUEST` and `VERSION` of TAP 1.0, which clients still send.
pub(crate) struct Given(Vec<(String, String)>);

impl Given {
    pub(crate) fn new(parameters: Vec<(String, String)>) -> Self {
        Self(parameters)
    }

    /// The value of a parameter that has at most one; an empty one counts as not given.
    fn single(&self, name: &'static str) -> Result<Option<&str>, Refusal> {
        let mut values = self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        match values.count() {
            0 => Ok(value.filter(|value| !value.trim().is_empty())),
            more => Err(Refusal::Repeated { name, count: more + 1 }),
        }
    }

    /// The format of the answer, which decides on the format of errors as well: `RESPONSEFORMAT`,
    /// or its older name `FORMAT`.
    pub(crate) fn format(&self) -> Result<Requested, Refusal> {
        let newer = self.single("RESPONSEFORMAT")?.map(|value| ("RESPONSEFORMAT", value));
        let older = self.single("FORMAT")?.map(|value| ("FORMAT", value));
        let Some((name, value)) = newer.or(older) else { return Ok(Requested::default()) };
        Requested::parse(value).ok_or_else(|| Refusal::Value {
            name,
            value: value.to_owned(),
            wanted: format!("use one of {}", Requested::names()),
        })
    }

    /// The text of the query, as far as it can be told.
    pub(crate) fn query(&self) -> Option<&str> {
        self.single("QUERY").ok().flatten()
    }

    /// Checks all parameters but the format.
    pub(crate) fn check(&self) -> Result<Parameters, Refusal> {
        let language = self.single("LANG")?.unwrap_or(LANGUAGES[0]);
        if !LANGUAGES.iter().any(|known| known.eq_ignore_ascii_case(language)) {
            return Err(Refusal::Value {
                name: "LANG",
                value: language.to_owned(),
                wanted: format!("unknown query language, use one of {}", LANGUAGES.join(", ")),
            });
        }
        let query = self.single("QUERY")?;
        let wanted = "give an ADQL query, as in QUERY=SELECT TOP 10 * FROM table";
        let query = query.ok_or(Refusal::Missing { name: "QUERY", wanted })?.to_owned();
        let run_id = self.single("RUNID")?.map(ToOwned::to_owned);
        let uploads = Wanted::all(self.uploads())?;
        Ok(Parameters { query, max_rows: self.max_rows()?, run_id, uploads })
    }

    /// The values of UPLOAD.
    fn uploads(&self) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(|(name, _)| name.eq_ignore_ascii_case("UPLOAD"));
        named.map(|(_, value)| value.as_str())
    }

    fn max_rows(&self) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.single("MAXREC")? else { return Ok(None) };
        match value.trim().parse() {
            Ok(rows) => Ok(Some(rows)),
            // A number, but larger than any table.
            Err(_) if value.trim().bytes().all(|b| b.is_ascii_digit()) => Ok(Some(u64::MAX)),
            Err(_) => Err(Refusal::Value {
                name: "MAXREC",
                value: value.to_owned(),
                wanted: "give a whole number of rows, 0 for the columns alone".to_owned(),
            }),
        }
    }
}

impl Parameters {
    /// Rows after which the answer is cut.
    pub(crate) fn limit(&self, limits: RowLimits) -> u64 {
        self.max_rows.unwrap_or(limits.default).min(limits.hard)
    }
}
