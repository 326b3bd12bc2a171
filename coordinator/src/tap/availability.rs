//! `/availability` (VOSI 1.1 §5): whether the service can answer, and since when it is up.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::cluster::Cluster;
use crate::tap::{Service, xml};

pub(super) async fn document(State(service): State<Arc<Service>>) -> Response {
    let up_since = &service.up_since;
    let (available, note) = match service.serving.engine().cluster().map(Cluster::up) {
        None => (true, String::new()),
        Some((up, all)) if up == all => (true, String::new()),
        Some((up, all)) => {
            (up > 0, format!("<vosi:note>{up} of {all} workers answer</vosi:note>\n"))
        }
    };
    xml(&format!(
        "<vosi:availability xmlns:vosi=\"http://www.ivoa.net/xml/VOSIAvailability/v1.0\">\n\
         <vosi:available>{available}</vosi:available>\n\
         <vosi:upSince>{up_since}</vosi:upSince>\n\
         {note}</vosi:availability>\n"
    ))
}
