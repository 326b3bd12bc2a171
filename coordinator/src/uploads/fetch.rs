//! Tables by URL, as they come, from the internet alone.
//!
//! A name is resolved once for each connection, by us, and what it leads to is what is looked at and
//! connected to, so that no second answer can lead elsewhere. Redirects are followed by us for the
//! same reason, each looked at as the first URL. No proxy is asked: it would resolve names itself.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use http_client::dns::{Addrs, Name, Resolve, Resolving};
use http_client::redirect::Policy;
use http_client::{Client, Response, StatusCode, header};
use tokio::io::AsyncWriteExt as _;
use url::{Host, Url};

use super::{Error, address};
use crate::error::with_causes;

/// So many redirects are followed.
const REDIRECTS_MAX: usize = 5;

/// A connection must be made in so long, …
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// … no pause may be longer than this, …
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// … and all must be there after so long.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Fetches tables.
#[derive(Debug)]
pub(super) struct Fetcher {
    client: Client,
    private_urls: bool,
}

const NOT_PUBLIC: &str = "leads into a private network, to this host or nowhere (the service \
                          fetches from the internet only, unless upload_private_urls is set)";

/// Resolves names to addresses that may be connected to.
struct Resolver {
    private_urls: bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let private_urls = self.private_urls;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            // One that is not public makes the others suspicious.
            if let Some(other) = found.iter().find(|a| !private_urls && !address::is_public(a.ip()))
            {
                let (name, address) = (name.as_str(), other.ip());
                return Err(format!("{name} ({address}) {NOT_PUBLIC}").into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Fetcher {
    pub(super) fn new(private_urls: bool) -> Result<Self, Error> {
        let client = Client::builder()
            .user_agent(crate::tap::SOFTWARE)
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .timeout(TIMEOUT)
            .dns_resolver(Arc::new(Resolver { private_urls }))
            .build();
        let client = client.map_err(|error| Error::Broken { reason: with_causes(&error) })?;
        Ok(Self { client, private_urls })
    }

    /// Writes what is at a URL to a file, up to a number of bytes, and tells how many it has.
    pub(super) async fn fetch(
        &self,
        name: &str,
        url: &Url,
        file: &Path,
        bytes_max: u64,
    ) -> Result<u64, Error> {
        let told = || (name.to_owned(), url.to_string());
        let broken = |reason: String| {
            let (name, url) = told();
            Error::Fetch { name, url, reason }
        };
        let mut response = self.follow(name, url).await?;
        if response.content_length().is_some_and(|bytes| bytes > bytes_max) {
            return Err(Error::TooLarge { bytes_max });
        }
        let unkept = |source| Error::Folder { source };
        let mut written = tokio::fs::File::create(file).await.map_err(unkept)?;
        let mut bytes = 0;
        while let Some(chunk) =
            response.chunk().await.map_err(|error| broken(with_causes(&error)))?
        {
            bytes += chunk.len() as u64;
            if bytes > bytes_max {
                return Err(Error::TooLarge { bytes_max });
            }
            written.write_all(&chunk).await.map_err(unkept)?;
        }
        written.flush().await.map_err(unkept)?;
        Ok(bytes)
    }

    /// The answer to which a URL leads.
    async fn follow(&self, name: &str, url: &Url) -> Result<Response, Error> {
        let refused = |at: &Url, reason: String| {
            let on_the_way = if at == url { String::new() } else { format!("{at}: ") };
            let (name, url) = (name.to_owned(), url.to_string());
            Error::Url { name, url, reason: format!("{on_the_way}{reason}") }
        };
        let mut at = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            self.check(&at).map_err(|reason| refused(&at, reason))?;
            let response = self
                .client
                .get(at.clone())
                .send()
                .await
                .map_err(|error| refused(&at, with_causes(&error.without_url())))?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            if !status.is_redirection() || status == StatusCode::NOT_MODIFIED {
                return Err(refused(&at, format!("it answers {status}")));
            }
            let location = response.headers().get(header::LOCATION).and_then(|l| l.to_str().ok());
            let next = location.and_then(|location| at.join(location).ok());
            let nowhere = || refused(&at, format!("it answers {status} and does not tell where"));
            at = next.ok_or_else(nowhere)?;
        }
        Err(refused(&at, format!("it leads on and on: {REDIRECTS_MAX} redirects are followed")))
    }

    /// Looks at a URL without a name to resolve.
    fn check(&self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err("it is neither http nor https".to_owned());
        }
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(name)) => IpAddr::from_str(name).ok(),
            None => return Err("it has no host".to_owned()),
        };
        match address {
            Some(address) if !self.private_urls && !address::is_public(address) => {
                Err(format!("{address} {NOT_PUBLIC}"))
            }
            _ => Ok(()),
        }
    }
}
