//! Where objects are whose names queries give (`ivo_simbadpoint`, UDF catalogue 1.2 §2): a service
//! of names is asked, Sesame of the CDS or one that answers as it does.
//!
//! Only where the operator names one: a query then leads to a request beyond this service.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use adql::{Macro, Schemas, Table, TableName};
use datafusion::arrow::array::ArrayRef;
use datafusion::logical_expr::TableSource;
use http_client::{Client, Response};
use url::Url;

use crate::Error;
use crate::error::with_causes;

/// So many names are remembered.
const KEPT: usize = 10_000;

/// A query may give so many names.
const NAMES_MAX: usize = 100;

/// A name has at most so many bytes.
const NAME_BYTES_MAX: usize = 200;

/// The answer about one name has some hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks where objects are.
#[derive(Debug)]
pub(crate) struct Names {
    client: Client,
    url: Url,
    known: Mutex<HashMap<String, [f64; 2]>>,
}

impl Names {
    pub(crate) fn new(url: Url) -> Result<Self, Error> {
        let client = Client::builder().user_agent(crate::tap::SOFTWARE).timeout(TIMEOUT).build();
        let client = client.map_err(|error| Error::Names { reason: with_causes(&error) })?;
        Ok(Self { client, url, known: Mutex::default() })
    }

    /// Where all of some objects are.
    async fn places(&self, names: Vec<String>) -> Result<HashMap<String, [f64; 2]>, Error> {
        if names.len() > NAMES_MAX {
            let (unit, actual) = ("names of objects", names.len());
            return Err(adql::Error::TooLarge { unit, limit: NAMES_MAX, actual }.into());
        }
        let mut places = HashMap::new();
        for name in names {
            let known =
                self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied();
            let place = match known {
                Some(place) => place,
                None => self.ask(&name).await?,
            };
            places.insert(name, place);
        }
        Ok(places)
    }

    async fn ask(&self, name: &str) -> Result<[f64; 2], Error> {
        let unknown = || {
            let message = format!(
                "ivo_simbadpoint: no object of the name '{name}' is known: write it as Simbad \
                 does, or write POINT(ra, dec)"
            );
            Error::from(adql::Error::NotAllowed { message, place: None })
        };
        if name.trim().is_empty() || name.len() > NAME_BYTES_MAX {
            return Err(unknown());
        }
        let mut url = self.url.clone();
        // The name is the whole query string.
        let encoded: String =
            url::form_urlencoded::byte_serialize(name.trim().as_bytes()).collect();
        let encoded = encoded.replace('+', "%20");
        url.set_query(Some(&encoded));
        let failed = |reason: String| Error::Names { reason };
        let answer = self.client.get(url).send().await.and_then(Response::error_for_status);
        let mut answer = answer.map_err(|error| failed(with_causes(&error.without_url())))?;
        let mut text = Vec::new();
        while let Some(chunk) =
            answer.chunk().await.map_err(|error| failed(with_causes(&error.without_url())))?
        {
            text.extend_from_slice(&chunk);
            if text.len() > ANSWER_BYTES_MAX {
                return Err(failed(format!("its answer has more than {ANSWER_BYTES_MAX} bytes")));
            }
        }
        let place = place_in(&String::from_utf8_lossy(&text)).ok_or_else(unknown)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KEPT {
            known.clear();
        }
        known.insert(name.to_owned(), place);
        Ok(place)
    }
}

/// The place in an answer of Sesame, of which a line begins with `%J` and has right ascension and
/// declination in degrees.
fn place_in(answer: &str) -> Option<[f64; 2]> {
    let line = answer.lines().find_map(|line| line.strip_prefix("%J "))?;
    let mut numbers = line.split_whitespace().map(|word| word.parse::<f64>().ok());
    let (ra, dec) = (numbers.next()??, numbers.next()??);
    ((0.0..=360.0).contains(&ra) && (-90.0..=90.0).contains(&dec)).then_some([ra, dec])
}

/// The tables of a query, with the places of the objects that it names.
pub(crate) async fn with_places(
    names: Option<&Names>,
    adql: &str,
    schemas: Arc<dyn Schemas>,
) -> Result<Arc<dyn Schemas>, Error> {
    let asked = adql::named_objects(adql);
    match names {
        Some(names) if !asked.is_empty() => {
            let places = names.places(asked).await?;
            Ok(Arc::new(WithPlaces { schemas, places }))
        }
        _ => Ok(schemas),
    }
}

#[derive(Debug)]
struct WithPlaces {
    schemas: Arc<dyn Schemas>,
    places: HashMap<String, [f64; 2]>,
}

impl Schemas for WithPlaces {
    fn tables(&self) -> Vec<Arc<Table>> {
        self.schemas.tables()
    }

    fn table(&self, name: &TableName) -> Option<Arc<Table>> {
        self.schemas.table(name)
    }

    fn source(
        &self,
        name: &TableName,
        columns: &[usize],
    ) -> Result<Arc<dyn TableSource>, adql::Error> {
        self.schemas.source(name, columns)
    }

    fn few_values(&self, name: &TableName, column: &str) -> Option<ArrayRef> {
        self.schemas.few_values(name, column)
    }

    fn macros(&self) -> &[Arc<Macro>] {
        self.schemas.macros()
    }

    fn place_of(&self, object: &str) -> Option<[f64; 2]> {
        self.places.get(object).copied()
    }

    fn range(&self, table: &TableName, column: &str) -> Option<[f64; 2]> {
        self.schemas.range(table, column)
    }
}

#[cfg(test)]
mod tests {
    use super::place_in;

    #[test]
    fn places_in_answers_of_sesame() {
        let found = "# M31\t#Q1\n#=S=Simbad:    1\n%@ 1575544\n%C.0 AGN\n\
                     %J 010.6847083 +41.2687500 = 00:42:44.33 +41:16:07.5\n%V z -0.001004\n";
        assert_eq!(place_in(found), Some([10.684_708_3, 41.268_75]));
        for text in ["", "#!SN: *** Nothing found *** \n", "%J 400 0", "%J 10", "%J a b"] {
            assert_eq!(place_in(text), None, "{text}");
        }
    }
}
