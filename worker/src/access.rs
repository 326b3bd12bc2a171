//! What a peer may ask of a node, by the role that its certificate names: a coordinator gives plans
//! and assignments; every node reads tiles, the status and the rows of tasks.
//!
//! The role is a name in the certificate beside the host's, so that one authority vouches for both.
//! On loopback without certificates nothing is asked: whoever is on the host may do everything.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use rustls_pki_types::{CertificateDer, ServerName};
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use webpki::EndEntityCert;

/// The method by which a coordinator gives a worker a plan.
const SET_PLAN: &str = "/worker.WorkerService/CoordinatorChannel";

/// Where a worker learns what it is to hold.
const ASSIGNMENT: &str = "/assignment";

/// Where a worker is given the tables that queries bring.
const UPLOADS: &str = "/uploads";

/// What a node is to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It plans queries and places tiles.
    Coordinator,
    /// It holds tiles and executes tasks.
    Worker,
}

impl Role {
    /// The name by which a certificate says so.
    pub const fn certificate_name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator.armilla",
            Self::Worker => "worker.armilla",
        }
    }

    fn is_named_by(self, certificate: &CertificateDer<'_>) -> bool {
        let name = ServerName::try_from(self.certificate_name());
        let node = EndEntityCert::try_from(certificate);
        matches!((name, node), (Ok(name), Ok(node))
            if node.verify_is_valid_for_subject_name(&name).is_ok())
    }
}

/// Lets a request pass whose peer has the role that it needs. TLS has verified the certificate.
pub(crate) async fn check(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let gives_orders =
        path == SET_PLAN || path.starts_with(ASSIGNMENT) || path.starts_with(UPLOADS);
    let needed: &[Role] =
        if gives_orders { &[Role::Coordinator] } else { &[Role::Coordinator, Role::Worker] };
    let connection = request.extensions().get::<TlsConnectInfo<TcpConnectInfo>>();
    let certificates = connection.and_then(TlsConnectInfo::peer_certs).unwrap_or_default();
    let own = certificates.first();
    if own.is_some_and(|own| needed.iter().any(|role| role.is_named_by(own))) {
        return next.run(request).await;
    }
    let names: Vec<_> = needed.iter().map(|role| role.certificate_name()).collect();
    let names = names.join(" or ");
    let message = format!("{path} needs a certificate for {names}, and that of this peer is not");
    tracing::warn!(path, "refused a peer whose certificate names another role");
    let is_grpc = request.headers().get(header::CONTENT_TYPE);
    if is_grpc.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc")) {
        return tonic::Status::permission_denied(message).into_http::<axum::body::Body>();
    }
    (StatusCode::FORBIDDEN, message).into_response()
}
