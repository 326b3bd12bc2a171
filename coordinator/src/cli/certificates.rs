//! `certificates`: a private authority for the nodes of one cluster, and a certificate for each.
//!
//! The authority is made once; running the command again adds hosts and renews those that it
//! names. A certificate names its host and the role of its node, which the other nodes look at.
//! Its files are not copied anywhere: that is for the operator, and the authority's key stays.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use worker::transport::is_key_of;
use worker::{Identity, Role};

use crate::cli::Error as CliError;
use crate::config::Settings;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long the authority counts: ten years.
const AUTHORITY_DAYS: u32 = 3653;

/// How long the certificate of a node counts: two years.
const NODE_DAYS: u32 = 730;

/// Clocks of hosts may differ by so much.
const CLOCKS: Duration = Duration::from_secs(60 * 60);

/// Why certificates were not made.
#[expect(clippy::error_impl_error, reason = "named by its module: certificates::Error")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No host was named.
    #[error("no host is named: give --coordinator HOSTS, --worker HOSTS or both")]
    NoHosts,
    /// A host that cannot be one.
    #[error(
        "{host:?} is not the name or address of a host: give it without port, as w1.example.org \
             or 10.0.0.1"
    )]
    Host {
        /// As it was given.
        host: String,
    },
    /// A host that was given for both roles.
    #[error(
        "{host} is named as coordinator and as worker: give each node a name of its own, as \
             a node has one certificate with one role"
    )]
    TwoRoles {
        /// The host.
        host: String,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The authority is there in half, or is none.
    #[error("cannot use the authority {}: {reason}; without it every node needs a new certificate, \
             from another folder", .path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate for {host}: {source}")]
    Make {
        /// For whom.
        host: String,
        /// What the library says.
        source: rcgen::Error,
    },
    /// What was written does not hold together.
    #[error(transparent)]
    Identity(#[from] worker::transport::IdentityError),
}

/// Makes what the settings name, and tells on stdout what it wrote.
pub(super) fn run(settings: &Settings) -> Result<(), CliError> {
    let dir: PathBuf = settings.require("dir")?;
    let hosts = |key| settings.get::<String>(key).map(Option::unwrap_or_default);
    let nodes = nodes(&hosts("coordinator")?, &hosts("worker")?)?;
    let (authority, is_new) = Authority::open(&dir)?;
    let mut lines = Vec::new();
    if is_new {
        lines.push(format!("authority: {}", dir.join("ca.pem").display()));
    }
    for (host, role) in nodes {
        let folder = dir.join(&host);
        authority.write_node(&folder, &host, role)?;
        lines.push(format!("{}: {}", name(role), folder.display()));
    }
    let mut stdout = io::stdout().lock();
    lines.iter().try_for_each(|line| writeln!(stdout, "{line}")).map_err(CliError::Output)
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Coordinator => "coordinator",
        Role::Worker => "worker",
    }
}

/// The hosts of two lists, each with its role.
fn nodes(coordinators: &str, workers: &str) -> Result<Vec<(String, Role)>, Error> {
    let mut nodes: Vec<(String, Role)> = Vec::new();
    for (list, role) in [(coordinators, Role::Coordinator), (workers, Role::Worker)] {
        for host in list.split(',').map(str::trim).filter(|host| !host.is_empty()) {
            let host = checked(host)?;
            match nodes.iter().find(|(other, _)| *other == host) {
                Some((_, other)) if *other != role => return Err(Error::TwoRoles { host }),
                Some(_) => {}
                None => nodes.push((host, role)),
            }
        }
    }
    if nodes.is_empty() { Err(Error::NoHosts) } else { Ok(nodes) }
}

/// A host as it is written in a certificate, and as the name of a folder.
fn checked(host: &str) -> Result<String, Error> {
    let wrong = || Error::Host { host: host.to_owned() };
    if let Ok(address) = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>() {
        return Ok(address.to_string());
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    // The last label of a name is no number: that is an address which is none.
    let last = host.rsplit('.').next().unwrap_or_default();
    let is_name = host.len() <= 253
        && host.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit());
    if is_name { Ok(host.to_ascii_lowercase()) } else { Err(wrong()) }
}

/// Signs the certificates of nodes.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    path: PathBuf,
}

impl Authority {
    /// The authority of a folder, made if there is none, and whether it was.
    fn open(dir: &Path) -> Result<(Self, bool), Error> {
        let (path, key_path) = (dir.join("ca.pem"), dir.join("ca.key"));
        let wrong = |path: &Path, reason: String| Error::Authority { path: path.into(), reason };
        let (pem, key, is_new) = match (read(&path), read(&key_path)) {
            (Ok(Some(pem)), Ok(Some(key))) => {
                let key = KeyPair::from_pem(&key);
                let key = key.map_err(|error| wrong(&key_path, error.to_string()))?;
                // Before anything is written: what it signed, nobody would believe.
                if !is_key_of(pem.as_bytes(), &key.subject_public_key_info()) {
                    let reason = format!("it is not the key of {}", path.display());
                    return Err(wrong(&key_path, reason));
                }
                (pem, key, false)
            }
            (Ok(None), Ok(None)) => {
                let (pem, key) = make(dir, &path, &key_path)?;
                (pem, key, true)
            }
            (Err(error), _) => return Err(wrong(&path, error.to_string())),
            (_, Err(error)) => return Err(wrong(&key_path, error.to_string())),
            (Ok(None), _) => return Err(wrong(&path, "it is missing, its key is there".into())),
            (_, Ok(None)) => return Err(wrong(&key_path, "the key is missing".into())),
        };
        let issuer = Issuer::new(authority_params(), key);
        Ok((Self { issuer, pem, path }, is_new))
    }

    /// Writes the three files of a node, and reads them as that node will.
    fn write_node(&self, folder: &Path, host: &str, role: Role) -> Result<(), Error> {
        let made = |source| Error::Make { host: host.to_owned(), source };
        let key = KeyPair::generate().map_err(made)?;
        let names = vec![host.to_owned(), role.certificate_name().to_owned()];
        let mut params = CertificateParams::new(names).map_err(made)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, host);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        limit(&mut params, NODE_DAYS);
        let certificate = params.signed_by(&key, &self.issuer).map_err(made)?;
        make_folder(folder)?;
        let [ca, own, own_key] =
            ["ca.pem", "certificate.pem", "key.pem"].map(|file| folder.join(file));
        write(&own_key, &key.serialize_pem(), 0o600)?;
        write(&own, &certificate.pem(), 0o644)?;
        write(&ca, &self.pem, 0o644)?;
        Identity::read(&self.path, &own, &own_key)?;
        Ok(())
    }
}

/// Makes the authority. The certificate comes last: with it the authority is there.
fn make(dir: &Path, path: &Path, key_path: &Path) -> Result<(String, KeyPair), Error> {
    let made = |source| Error::Make { host: "the authority".to_owned(), source };
    let key = KeyPair::generate().map_err(made)?;
    let pem = authority_params().self_signed(&key).map_err(made)?.pem();
    make_folder(dir)?;
    write(key_path, &key.serialize_pem(), 0o600)?;
    write(path, &pem, 0o644)?;
    Ok((pem, key))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Armilla cluster authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    limit(&mut params, AUTHORITY_DAYS);
    params
}

fn limit(params: &mut CertificateParams, days: u32) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(CLOCKS);
    params.not_after = epoch + (now + DAY * days);
}

/// The text of a file; none when there is no such file.
fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn make_folder(path: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Writes a file whole or not at all, with its mode from the start.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let partial = path.with_extension("partial");
    let written = (|| {
        // One that an earlier run left may have another mode.
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&partial)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&partial, path)
    })();
    written.map_err(|source| Error::Write { path: path.to_owned(), source })
}
