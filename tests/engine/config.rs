//! Settings: precedence, values, and what is said about wrong ones.

use std::collections::BTreeMap;

use coordinator::config::{Bytes, Command, Directives, KEYS, Rows, Settings, Urls};

fn flags(values: &[(&str, &str)]) -> BTreeMap<String, String> {
    values.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn environment(values: &[(&str, &str)]) -> Vec<(String, String)> {
    flags(values).into_iter().collect()
}

fn from_file(toml: &str) -> Result<Settings, String> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), toml).expect("it is written");
    Settings::read(Command::Serve, Some(file.path()), environment(&[]), flags(&[]))
        .map_err(|e| e.to_string())
}

#[test]
fn flags_beat_the_environment_which_beats_the_file_which_beats_the_default() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "listen = 'a:1'\nmax_rows = 10\ndata = '/file'\n").unwrap();
    let environment = environment(&[("ARMILLA_LISTEN", "b:2"), ("ARMILLA_DATA", "/variable")]);
    let settings =
        Settings::read(Command::Serve, Some(file.path()), environment, flags(&[("listen", "c:3")]))
            .unwrap();
    assert_eq!(settings.require::<String>("listen").unwrap(), "c:3");
    assert_eq!(settings.require::<String>("data").unwrap(), "/variable");
    assert_eq!(settings.require::<Rows>("max_rows").unwrap(), Rows(10));
    assert_eq!(settings.require::<Rows>("default_rows").unwrap(), Rows(1_000_000_000));
    assert_eq!(settings.get::<String>("origin").unwrap(), None);
    let shown = settings.to_string();
    for part in
        ["listen=c:3 (--listen)", "data=/variable (ARMILLA_DATA)", "default_rows=1e9 (default)"]
    {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(shown.contains(&format!("max_rows=10 ({})", file.path().display())), "{shown}");
    assert!(!shown.contains("fallback"), "{shown}");
}

#[test]
fn an_unknown_key_is_named_with_its_file() {
    let error = from_file("listn = '127.0.0.1:1'\n").unwrap_err();
    assert!(error.starts_with("unknown key listn in /"), "{error}");
    assert!(error.contains("listen"), "{error}");
    let error = from_file("[serve]\nlisten = 'x'\n").unwrap_err();
    assert!(error.starts_with("unknown key serve in /"), "{error}");
}

#[test]
fn variables_that_are_no_keys_are_reported_and_harmless() {
    let environment = environment(&[
        ("ARMILLA_PORT", "tcp://10.0.0.1:80"),
        ("ARMILLA_CONFIG", "x"),
        ("HOME", "/root"),
        ("ARMILLA_DATA", "007"),
    ]);
    let settings = Settings::read(Command::Serve, None, environment, flags(&[])).unwrap();
    assert_eq!(settings.unknown_variables(), ["ARMILLA_PORT"]);
    assert_eq!(settings.require::<String>("data").unwrap(), "007");
}

#[test]
fn wrong_values_name_key_value_source_and_what_would_work() {
    let settings = from_file("max_rows = 'many'\nfallback = 3\nmemory = [1, 2]\n").unwrap();
    let error = settings.require::<Rows>("max_rows").unwrap_err().to_string();
    assert!(error.starts_with("max_rows = many (/"), "{error}");
    assert!(error.ends_with(") is not a number of rows, as 1000000 or 1e6"), "{error}");
    assert!(settings.require::<bool>("fallback").is_err());
    assert!(settings.require::<Bytes>("memory").is_err());
    let query = Settings::read(Command::Query, None, environment(&[]), flags(&[])).unwrap();
    let error = query.require::<String>("data").unwrap_err().to_string();
    assert!(error.contains("--data, ARMILLA_DATA or data in the configuration file"), "{error}");
    let error = from_file("max_rows = \n").unwrap_err();
    assert!(error.contains("is not TOML"), "{error}");
    let missing = Settings::read(
        Command::Serve,
        Some("/no/such.toml".as_ref()),
        environment(&[]),
        flags(&[]),
    );
    assert!(missing.unwrap_err().to_string().contains("/no/such.toml"));
}

#[test]
fn values_are_written_as_people_write_them() {
    let settings =
        from_file("workers = ['http://a:1', 'http://b:2']\nfallback = false\nmemory = 4096\n")
            .unwrap();
    assert_eq!(settings.require::<Urls>("workers").unwrap().0.len(), 2);
    assert!(!settings.require::<bool>("fallback").unwrap());
    assert_eq!(settings.require::<Bytes>("memory").unwrap(), Bytes(4096));
    for (text, bytes) in
        [("8GiB", 8 << 30), ("512 MiB", 512 << 20), ("1GB", 1_000_000_000), ("7b", 7)]
    {
        assert_eq!(text.parse(), Ok(Bytes(bytes)), "{text}");
    }
    for text in ["", "GiB", "8 apples", "0", "-1", "99999999999999999999", "9999999999TiB"] {
        assert!(text.parse::<Bytes>().is_err(), "{text}");
    }
    for (text, rows) in [("0", 0), ("12", 12), ("1e6", 1_000_000), ("25E2", 2_500)] {
        assert_eq!(text.parse(), Ok(Rows(rows)), "{text}");
    }
    for text in ["", "e6", "1e", "1e99", "1.5e3", "-1"] {
        assert!(text.parse::<Rows>().is_err(), "{text}");
    }
    assert!("http://a:1, http://b:2,".parse::<Urls>().is_ok_and(|urls| urls.0.len() == 2));
    for text in ["", "a:1", "127.0.0.1:1", "http://a:1,nonsense"] {
        assert!(text.parse::<Urls>().is_err(), "{text}");
    }
    assert!("warn,worker=debug".parse::<Directives>().is_ok());
    assert!("worker=loud".parse::<Directives>().is_err());
}

#[test]
fn passwords_are_not_shown() {
    let settings = from_file("data = 'https://me:secret@example.org/x'\n").unwrap();
    let shown = settings.to_string();
    assert!(
        shown.contains("data=https://me:***@example.org/x") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn every_default_is_a_value_of_its_key() {
    for command in Command::ALL {
        let settings = Settings::read(command, None, environment(&[]), flags(&[])).unwrap();
        for name in ["default_rows", "max_rows", "demo_rows"] {
            assert!(settings.require::<Rows>(name).is_ok(), "{name}");
        }
        let data = settings.get::<String>("data").unwrap();
        assert_eq!(data.is_some(), command == Command::Serve, "{command}");
        for name in ["fallback", "analyze"] {
            assert!(settings.require::<bool>(name).is_ok(), "{name}");
        }
        assert!(settings.require::<Directives>("log").is_ok());
        let port = if command == Command::Worker { ":9001" } else { ":8080" };
        assert!(settings.require::<String>("listen").unwrap().ends_with(port));
    }
    assert!(KEYS.iter().all(|key| key.flag == key.name.replace('_', "-")));
    assert!(KEYS.iter().all(|key| !key.commands.is_empty() && !key.help.is_empty()));
}
