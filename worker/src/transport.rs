//! How nodes reach each other: who they are (certificates of a private authority, both ways), how
//! soon silence counts as a loss, and which ports may be open without certificates (loopback only).
//!
//! `armilla certificates` makes the files. What a peer may ask for is `crate::access`'s matter.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Certificate, ClientTlsConfig, Server, ServerTlsConfig};
use url::{Host, Url};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use crate::Error;

/// Connecting to a node, and each handshake of TLS, takes at most this long.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Each side asks this often whether the other still answers, also while nothing is under way …
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);

/// … and gives it up when it has not answered within this.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(8);

/// A handshake that takes longer is a peer that does not want one.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// What is wrong with the files that say who a node is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read the {what} {}: {source}", .path.display())]
    Read {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// A file holds something else.
    #[error("{} holds no {what} as PEM; armilla certificates writes one", .path.display())]
    NotPem {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The key is that of another certificate.
    #[error("the key {} does not belong to the certificate {}", .key.display(),
        .certificate.display())]
    Mismatch {
        /// The file of the key.
        key: PathBuf,
        /// The file of the certificate.
        certificate: PathBuf,
    },
    /// The certificate no longer counts.
    #[error("the certificate {} has expired: run armilla certificates again for this host",
        .certificate.display())]
    Expired {
        /// The file.
        certificate: PathBuf,
    },
    /// Another authority signed the certificate, or it is no certificate of a node.
    #[error("the certificate {} is not one of the authority {}: {reason}", .certificate.display(),
        .ca.display())]
    Foreign {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the authority.
        ca: PathBuf,
        /// What the verifier says.
        reason: webpki::Error,
    },
}

/// Who a node is, and whom it believes: its certificate, its key and the authority of all nodes.
#[derive(Clone)]
pub struct Identity(Arc<Files>);

struct Files {
    ca: Vec<u8>,
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

impl Identity {
    /// Reads three PEM files and looks whether they belong together and count today.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn read(ca: &Path, certificate: &Path, key: &Path) -> Result<Self, IdentityError> {
        let files = Files {
            ca: read("authority", ca)?,
            certificate: read("certificate", certificate)?,
            key: read("key", key)?,
        };
        verify(&files, ca, certificate)?;
        if PrivateKeyDer::from_pem_slice(&files.key).is_err() {
            return Err(IdentityError::NotPem { what: "private key", path: key.to_owned() });
        }
        let identity = Self(Arc::new(files));
        // Of all that the library could complain of, only the key is not verified yet.
        if Server::builder().tls_config(identity.server()).is_err() {
            let (key, certificate) = (key.to_owned(), certificate.to_owned());
            return Err(IdentityError::Mismatch { key, certificate });
        }
        Ok(identity)
    }

    fn pair(&self) -> tonic::transport::Identity {
        tonic::transport::Identity::from_pem(&self.0.certificate, &self.0.key)
    }

    /// TLS of a port that speaks with holders of a certificate only.
    pub(crate) fn server(&self) -> ServerTlsConfig {
        ServerTlsConfig::new()
            .identity(self.pair())
            .client_ca_root(Certificate::from_pem(&self.0.ca))
            .timeout(HANDSHAKE_TIMEOUT)
    }

    /// TLS of a connection to `host`.
    pub(crate) fn client(&self, host: &Host<&str>) -> ClientTlsConfig {
        let name = match host {
            Host::Domain(name) => (*name).to_owned(),
            Host::Ipv4(address) => address.to_string(),
            // Without the brackets that the URL has.
            Host::Ipv6(address) => address.to_string(),
        };
        ClientTlsConfig::new()
            .identity(self.pair())
            .ca_certificate(Certificate::from_pem(&self.0.ca))
            .domain_name(name)
            .timeout(CONNECT_TIMEOUT)
    }
}

/// Whether a public key (`SubjectPublicKeyInfo` as DER) is that of an authority (PEM).
pub fn is_key_of(authority: &[u8], public_key: &[u8]) -> bool {
    let Ok(authority) = CertificateDer::from_pem_slice(authority) else { return false };
    // The anchor has the content of the structure, without its head.
    anchor_from_trusted_cert(&authority)
        .is_ok_and(|anchor| public_key.ends_with(&anchor.subject_public_key_info))
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, IdentityError> {
    let path = path.to_owned();
    std::fs::read(&path).map_err(|source| IdentityError::Read { what, path, source })
}

/// Whether the certificate counts for both ends of a connection, by the authority.
fn verify(files: &Files, ca: &Path, certificate: &Path) -> Result<(), IdentityError> {
    let not_pem = |what, path: &Path| IdentityError::NotPem { what, path: path.to_owned() };
    let authority = CertificateDer::from_pem_slice(&files.ca);
    let authority = authority.map_err(|_| not_pem("certificate", ca))?;
    let anchor = anchor_from_trusted_cert(&authority).map_err(|_| not_pem("authority", ca))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&files.certificate).collect();
    let chain = chain.map_err(|_| not_pem("certificate", certificate))?;
    let Some((own, between)) = chain.split_first() else {
        return Err(not_pem("certificate", certificate));
    };
    let node = EndEntityCert::try_from(own).map_err(|_| not_pem("certificate", certificate))?;
    let certificate = certificate.to_owned();
    for usage in [KeyUsage::server_auth(), KeyUsage::client_auth()] {
        let (anchors, now) = (std::slice::from_ref(&anchor), UnixTime::now());
        let verified =
            node.verify_for_usage(ALL_VERIFICATION_ALGS, anchors, between, now, usage, None, None);
        match verified {
            Ok(_) => {}
            Err(webpki::Error::CertExpired { .. }) => {
                return Err(IdentityError::Expired { certificate });
            }
            Err(reason) => {
                return Err(IdentityError::Foreign { certificate, ca: ca.to_owned(), reason });
            }
        }
    }
    Ok(())
}

/// Connections to a node. Without `TCP_NODELAY` every distributed query would wait 40 ms for an
/// acknowledgement (engine.md T8).
pub fn incoming(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

/// Refuses a listener that other hosts reach: a worker port without certificates is remote
/// execution for anyone (design.md §6).
///
/// # Errors
/// When the address is not a loopback address.
pub fn refuse_open_port(listener: &TcpListener) -> Result<(), Error> {
    match listener.local_addr() {
        Ok(address) if !address.ip().is_loopback() => Err(Error::OpenPort { address }),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Whether a URL names this host itself.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
