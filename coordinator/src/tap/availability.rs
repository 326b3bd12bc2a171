//! `/availability` (VOSI 1.1 §5): the service is up, and since when.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;

use crate::tap::{Service, xml};

pub(super) async fn document(State(service): State<Arc<Service>>) -> Response {
    let up_since = &service.up_since;
    xml(&format!(
        "<vosi:availability xmlns:vosi=\"http://www.ivoa.net/xml/VOSIAvailability/v1.0\">\n\
         <vosi:available>true</vosi:available>\n\
         <vosi:upSince>{up_since}</vosi:upSince>\n\
         </vosi:availability>\n"
    ))
}
