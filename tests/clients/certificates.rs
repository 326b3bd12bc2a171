//! `armilla certificates` as an operator meets it: files and their modes, a second run, mistakes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;
use tests::process::run_armilla;

fn certificates(dir: &Path, flags: &[&str]) -> Output {
    let dir = dir.to_string_lossy();
    let mut arguments = vec!["certificates", "--dir", &dir];
    arguments.extend(flags);
    run_armilla(arguments)
}

/// A run that goes well; what it says on stdout.
fn made(dir: &Path, flags: &[&str]) -> String {
    let output = certificates(dir, flags);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A run that fails; what it says on stderr.
fn refused(dir: &Path, flags: &[&str]) -> String {
    let output = certificates(dir, flags);
    assert!(!output.status.success(), "{flags:?} went well");
    assert_ne!(output.status.code(), Some(101), "it panicked");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file is there").permissions().mode() & 0o777
}

/// What OpenSSL says; none where it is not installed.
fn openssl(arguments: &[&str]) -> Option<String> {
    let output = Command::new("openssl").args(arguments).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    Some(String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn every_host_gets_its_files() {
    let folder = TempDir::new().expect("a temporary folder");
    let dir = folder.path().join("new/certificates");
    let said = made(&dir, &["--coordinator", "tap.example.org", "--worker", "W1.example.org,::1"]);
    let hosts = ["tap.example.org", "w1.example.org", "::1"];
    for host in hosts {
        let files = dir.join(host);
        assert!(said.contains(&*files.to_string_lossy()), "{said}");
        assert_eq!(mode(&files.join("key.pem")), 0o600);
        assert_eq!(mode(&files), 0o700);
        let ca = fs::read(dir.join("ca.pem")).expect("an authority");
        assert_eq!(fs::read(files.join("ca.pem")).ok(), Some(ca), "each host has the authority");
        let names = fs::read_dir(&files).expect("a folder").count();
        assert_eq!(names, 3, "nothing else is left");
    }
    assert_eq!(mode(&dir.join("ca.key")), 0o600);
    let ca = dir.join("ca.pem").to_string_lossy().into_owned();
    for (host, role, shown) in [
        ("tap.example.org", "coordinator.armilla", "DNS:tap.example.org"),
        ("w1.example.org", "worker.armilla", "DNS:w1.example.org"),
        ("::1", "worker.armilla", "IP Address:0:0:0:0:0:0:0:1"),
    ] {
        let file = dir.join(host).join("certificate.pem").to_string_lossy().into_owned();
        let Some(verified) = openssl(&["verify", "-x509_strict", "-CAfile", &ca, &file]) else {
            return;
        };
        assert!(verified.contains(": OK"), "{verified}");
        let text = openssl(&["x509", "-in", &file, "-noout", "-text"]).unwrap_or_default();
        assert!(text.contains(shown) && text.contains(&format!("DNS:{role}")), "{text}");
        // Longer than 700 days, shorter than 800.
        let seconds = |days: u32| (days * 86_400).to_string();
        let ends = |days| openssl(&["x509", "-in", &file, "-noout", "-checkend", &seconds(days)]);
        assert!(ends(700).is_some_and(|said| said.contains("will not expire")));
        assert!(ends(800).is_some_and(|said| said.contains("will expire")));
    }
}

#[test]
fn a_second_run_adds_and_renews_and_keeps_the_rest() {
    let folder = TempDir::new().expect("a temporary folder");
    let dir = folder.path();
    made(dir, &["--worker", "w1,w2"]);
    let read = |file: &str| fs::read(dir.join(file)).expect("the file is there");
    let kept = ["ca.pem", "ca.key", "w1/certificate.pem", "w1/key.pem"];
    let before = kept.map(read);
    let renewed = read("w2/certificate.pem");
    let said = made(dir, &["--worker", "w2,w3", "--coordinator", "c"]);
    assert!(!said.contains("authority"), "{said}");
    assert_eq!(kept.map(read), before);
    assert_ne!(read("w2/certificate.pem"), renewed);
    assert_eq!(mode(&dir.join("w2/key.pem")), 0o600);
    assert!(dir.join("w3/key.pem").is_file() && dir.join("c/key.pem").is_file());
}

#[test]
fn hosts_that_are_none_are_named() {
    let folder = TempDir::new().expect("a temporary folder");
    for host in [
        "../etc",
        "a/b",
        "w1:9001",
        "https://w1",
        "a-",
        "a..b",
        "w 1",
        "*",
        "*.org",
        "256.1.1.1",
        ".",
        "ca.pem/",
        "ä.org",
    ] {
        let said = refused(folder.path(), &["--worker", host]);
        assert!(said.contains(&format!("{host:?}")) && said.contains("without port"), "{said}");
    }
    assert!(refused(folder.path(), &[]).contains("--worker HOSTS"));
    let said = refused(folder.path(), &["--worker", "a,b", "--coordinator", "b"]);
    assert!(said.contains("b is named as coordinator and as worker"), "{said}");
    let left = fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "nothing is made before all hosts are known to be some");
}

#[test]
fn a_folder_or_authority_that_cannot_be_used_is_named() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("a file");
    let below = file.join("below");
    assert!(refused(&below, &["--worker", "a"]).contains(&*below.to_string_lossy()));
    let proc = Path::new("/proc/armilla");
    assert!(refused(proc, &["--worker", "a"]).contains("cannot write /proc/armilla"));
    let (dir, other) = (folder.path().join("one"), folder.path().join("other"));
    for dir in [&dir, &other] {
        made(dir, &["--worker", "a"]);
    }
    fs::copy(other.join("ca.key"), dir.join("ca.key")).expect("the key of another authority");
    let before = fs::read(dir.join("a/certificate.pem")).expect("its certificate");
    let said = refused(&dir, &["--worker", "a"]);
    assert!(said.contains("ca.key: it is not the key of") && said.contains("ca.pem"), "{said}");
    let after = fs::read(dir.join("a/certificate.pem")).expect("its certificate");
    assert!(before == after, "what was good stays");
    fs::write(dir.join("ca.key"), "nothing").expect("no key");
    assert!(refused(&dir, &["--worker", "a"]).contains("ca.key"));
    fs::remove_file(dir.join("ca.key")).expect("the key goes");
    let said = refused(&dir, &["--worker", "a"]);
    assert!(said.contains("the key is missing"), "{said}");
}
