//! Jobs as XML (the schema of UWS 1.1, appendix B). A time that is not known is nil.

use std::fmt::Write as _;

use catalog::xml::escaped;

use crate::uws::{Job, JobSummary, Moment};

const NAMESPACES: &str = "xmlns:uws=\"http://www.ivoa.net/xml/UWS/v1.0\" \
     xmlns:xlink=\"http://www.w3.org/1999/xlink\" \
     xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

const INFALLIBLE: &str = "writing to a String cannot fail";

/// The root of `/async`.
pub(super) fn job_list(jobs: &[JobSummary], list_url: &str) -> String {
    let mut out = format!("<uws:jobs version=\"1.1\" {NAMESPACES}>\n");
    for job in jobs {
        let url = escaped(&format!("{list_url}/{}", job.id));
        writeln!(out, "<uws:jobref id=\"{}\" xlink:href=\"{url}\">", job.id).expect(INFALLIBLE);
        push(&mut out, "phase", job.phase.name());
        if let Some(run_id) = &job.run_id {
            push(&mut out, "runId", run_id);
        }
        push_nil(&mut out, "ownerId");
        push(&mut out, "creationTime", &job.created.to_string());
        out.push_str("</uws:jobref>\n");
    }
    out.push_str("</uws:jobs>\n");
    out
}

/// The root of a job.
pub(super) fn job(job: &Job, list_url: &str) -> String {
    let mut out = format!("<uws:job version=\"1.1\" {NAMESPACES}>\n");
    push(&mut out, "jobId", &job.id.to_string());
    if let Some(run_id) = job.parameters.run_id() {
        push(&mut out, "runId", run_id);
    }
    push_nil(&mut out, "ownerId");
    push(&mut out, "phase", job.phase.name());
    push_nil(&mut out, "quote");
    push(&mut out, "creationTime", &job.created.to_string());
    push_moment(&mut out, "startTime", job.started);
    push_moment(&mut out, "endTime", job.ended);
    push(&mut out, "executionDuration", &job.execution_seconds.to_string());
    push(&mut out, "destruction", &job.destruction.to_string());
    push_parameters(&mut out, job, "");
    push_results(&mut out, job, list_url, "");
    if let Some(failure) = &job.error {
        let kind = if failure.is_transient() { "transient" } else { "fatal" };
        writeln!(out, "<uws:errorSummary type=\"{kind}\" hasDetail=\"true\">").expect(INFALLIBLE);
        push(&mut out, "message", &failure.message);
        out.push_str("</uws:errorSummary>\n");
    }
    out.push_str("</uws:job>\n");
    out
}

/// The root of `/parameters`.
pub(super) fn parameters(job: &Job) -> String {
    let mut out = String::new();
    push_parameters(&mut out, job, NAMESPACES);
    out
}

/// The root of `/results`.
pub(super) fn results(job: &Job, list_url: &str) -> String {
    let mut out = String::new();
    push_results(&mut out, job, list_url, NAMESPACES);
    out
}

fn push_parameters(out: &mut String, job: &Job, attributes: &str) {
    writeln!(out, "<uws:parameters {attributes}>").expect(INFALLIBLE);
    for (name, value) in job.parameters.pairs() {
        let (name, value) = (escaped(name), escaped(value));
        writeln!(out, "<uws:parameter id=\"{name}\">{value}</uws:parameter>").expect(INFALLIBLE);
    }
    out.push_str("</uws:parameters>\n");
}

fn push_results(out: &mut String, job: &Job, list_url: &str, attributes: &str) {
    writeln!(out, "<uws:results {attributes}>").expect(INFALLIBLE);
    if let Some(result) = &job.result {
        let url = escaped(&format!("{list_url}/{}/results/result", job.id));
        let (media_type, bytes) = (escaped(&result.content_type), result.bytes);
        writeln!(
            out,
            "<uws:result id=\"result\" xlink:href=\"{url}\" mime-type=\"{media_type}\" \
             size=\"{bytes}\"/>"
        )
        .expect(INFALLIBLE);
    }
    out.push_str("</uws:results>\n");
}

fn push(out: &mut String, element: &str, text: &str) {
    writeln!(out, "<uws:{element}>{}</uws:{element}>", escaped(text)).expect(INFALLIBLE);
}

fn push_nil(out: &mut String, element: &str) {
    writeln!(out, "<uws:{element} xsi:nil=\"true\"/>").expect(INFALLIBLE);
}

fn push_moment(out: &mut String, element: &str, moment: Option<Moment>) {
    match moment {
        Some(moment) => push(out, element, &moment.to_string()),
        None => push_nil(out, element),
    }
}
