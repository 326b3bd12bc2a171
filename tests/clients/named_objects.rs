//! `ivo_simbadpoint`: the place of an object by its name, of a service that answers as Sesame does.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tests::{Server, Tap, places};

/// Answers about Barnard's star, whose entry is that of the UDF catalogue, and knows nothing else.
/// Ends with the process.
fn sesame() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}/sesame/S", listener.local_addr().expect("it is bound"));
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = String::new();
            let mut lines = BufReader::new(&stream);
            while lines.read_line(&mut request).is_ok_and(|bytes| bytes > 2) {}
            counted.fetch_add(1, Ordering::Relaxed);
            let (status, body) = match request.split_whitespace().nth(1) {
                Some("/sesame/S?GJ%20699") => (
                    "200 OK",
                    "# GJ 699\n#=S=Simbad (CDS):  1\n%@ 1\n\
                     %J 269.452076958619 +4.69336496657667 = 17:57:48.49 +04:41:36.1\n",
                ),
                Some("/sesame/S?down") => ("503 Service Unavailable", ""),
                _ => ("200 OK", "#!SN: *** Nothing found ***\n"),
            };
            let length = body.len();
            let _sent = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    (url, asked)
}

#[test]
fn objects_are_found_by_their_names_where_someone_is_asked() {
    let Some(hats) = places::hats() else { return };
    let (url, asked) = sesame();
    let server = Server::serve(&hats, &["--name-resolver", &url]);
    let tap = Tap::new(server.url());
    let place = "SELECT TOP 1 COORD1(ivo_simbadpoint('GJ 699')) AS ra, \
                 COORD2(gavo_simbadpoint('GJ 699')) AS dec FROM opengc";
    let answer = tap.query(place).expect("a place");
    assert_eq!(answer.rows, [["269.452076958619", "4.69336496657667"]]);
    let near = |point: &str| {
        format!(
            "SELECT name FROM opengc WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE({point}, 4)) \
             ORDER BY name"
        )
    };
    let found = tap.query(&near("ivo_simbadpoint('GJ 699')")).expect("rows");
    let expected = tap.query(&near("269.452076958619, 4.69336496657667")).expect("rows");
    assert!(!found.rows.is_empty() && found.rows == expected.rows, "{found:?}");
    assert_eq!(asked.load(Ordering::Relaxed), 1, "an answer is remembered");
    let unknown = tap.refusal("SELECT ivo_simbadpoint('an invalid identifier') FROM opengc");
    assert!(unknown.contains("no object of the name 'an invalid identifier'"), "{unknown}");
    let down =
        tap.post(&[("LANG", "ADQL"), ("QUERY", "SELECT ivo_simbadpoint('down') FROM opengc")]);
    assert_eq!(down.status, 503, "{}", down.body);
    assert!(down.body.contains("name_resolver") && down.body.contains("503"), "{}", down.body);
    let declared = |tap: &Tap| tap.get("capabilities", &[]).body.contains("ivo_simbadpoint(");
    assert!(declared(&tap));
    assert!(tap.get("help/functions", &[]).body.contains("ivo_simbadpoint('name')"));

    let alone = Server::serve(&hats, &[]);
    let tap = Tap::new(alone.url());
    assert!(!declared(&tap));
    let refused = tap.refusal(place);
    assert!(refused.contains("asks no one where 'GJ 699' is"), "{refused}");
}
